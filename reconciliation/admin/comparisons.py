"""Comparisons in the admin: the list, and the report of each with its downloads."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from unfold.decorators import display

from reconciliation import reports
from reconciliation.admin.pages import ReconciliationAdmin, require
from reconciliation.models import Comparison

_LABELS = {"done": "success", "failed": "danger", "abandoned": "warning", "running": "info"}


@admin.register(Comparison)
class ComparisonAdmin(ReconciliationAdmin):
    """What was compared, the newest first."""

    page_template = "reconciliation/comparison.html"
    list_display = ("job", "number", "status", "started_at", "found", "opened", "reopened", "confirmed", "standing")
    list_display_links = ("number",)
    list_filter = ("job", "state", "is_dry_run")
    list_filter_sheet = False
    list_select_related = ("job",)
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50

    def get_urls(self) -> list[URLPattern]:
        """This will put the downloads beside the admin's pages."""
        wrap = self.admin_site.admin_view
        own = [
            path("<int:number>/report.html", wrap(self.download_html), name="reconciliation_comparison_html"),
            path("<int:number>/report.csv", wrap(self.download_csv), name="reconciliation_comparison_csv"),
        ]
        return own + super().get_urls()

    def page_context(self, request: HttpRequest, row: Comparison) -> dict[str, object]:  # noqa: ARG002 - as for all pages
        """This will give the report."""
        return {"title": f"{row.job.name}: comparison {row.pk}", **reports.context(row)}

    @display(description="Comparison")
    def number(self, row: Comparison) -> str:
        """This will show its number, and whether it was a dry run."""
        return f"#{row.pk}{' dry run' if row.is_dry_run else ''}"

    @display(description="State", label=_LABELS)
    def status(self, row: Comparison) -> str:
        """This will show how far it is."""
        return row.state

    def download_html(self, request: HttpRequest, number: int) -> HttpResponse:
        """This will give the report as a page that stands alone."""
        answer = HttpResponse(reports.html(self._row(request, number)))
        answer["Content-Disposition"] = f'attachment; filename="comparison-{number}.html"'
        return answer

    def download_csv(self, request: HttpRequest, number: int) -> Any:  # Any: a stream
        """This will give the variances as CSV."""
        return reports.csv_answer(self._row(request, number))

    def _row(self, request: HttpRequest, number: int) -> Comparison:
        require(request, "view_comparison")
        return get_object_or_404(Comparison.objects.select_related("job", "version"), id=number)
