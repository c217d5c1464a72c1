"""The paths of reconciliation, under /api/v1/."""

from django.urls import path

from reconciliation.api.views import ComparisonViewSet, JobViewSet, VarianceViewSet

_JOB = "reconciliation/jobs/<slug:name>"
_COMPARISON = "reconciliation/comparisons/<int:comparison_id>"
_VARIANCES = "reconciliation/variances"

urlpatterns = [
    path("reconciliation/schema", JobViewSet.as_view({"get": "read_schema"})),
    path("reconciliation/jobs", JobViewSet.as_view({"get": "list", "post": "create"})),
    path(_JOB, JobViewSet.as_view({"get": "retrieve"})),
    path(f"{_JOB}/enabled", JobViewSet.as_view({"put": "enable"})),
    path(f"{_JOB}/rules/<slug:rule>/put-in-force", JobViewSet.as_view({"post": "put_in_force"})),
    path(f"{_JOB}/compare", ComparisonViewSet.as_view({"post": "start"})),
    path("reconciliation/comparisons", ComparisonViewSet.as_view({"get": "list"})),
    path(_COMPARISON, ComparisonViewSet.as_view({"get": "retrieve"})),
    path(f"{_COMPARISON}/report.html", ComparisonViewSet.as_view({"get": "report_html"})),
    path(f"{_COMPARISON}/report.csv", ComparisonViewSet.as_view({"get": "report_csv"})),
    path(_VARIANCES, VarianceViewSet.as_view({"get": "list"})),
    path(f"{_VARIANCES}/answer", VarianceViewSet.as_view({"post": "answer"})),
    path(f"{_VARIANCES}/assign", VarianceViewSet.as_view({"post": "assign"})),
    path(f"{_VARIANCES}/<int:variance_id>", VarianceViewSet.as_view({"get": "retrieve"})),
    path(f"{_VARIANCES}/<int:variance_id>/undo", VarianceViewSet.as_view({"post": "undo"})),
]
