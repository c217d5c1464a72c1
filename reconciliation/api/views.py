"""What can be done with jobs, comparisons and variances over HTTP: each view parses, makes one call and answers."""

from typing import Any

import django_filters
from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from reconciliation import operations, queries, reports
from reconciliation.api.forms import (
    AnsweredSerializer,
    AnswerSerializer,
    AssignSerializer,
    ComparisonSerializer,
    EnableSerializer,
    JobSerializer,
    PublishSerializer,
    RepairSerializer,
    StartedSerializer,
    StartSerializer,
    UndoSerializer,
    VarianceDetailSerializer,
    VarianceSerializer,
)
from reconciliation.core.compare import VarianceKind
from reconciliation.core.lifecycle import VarianceState
from reconciliation.jobs.documents import job_schema
from reconciliation.models import Comparison, Job, Variance
from reconciliation.states import ComparisonState
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.pagination import ByName, NewestNumberFirst


class ComparisonFilter(FilterSet):
    """Comparisons of one job, or in one state."""

    job = django_filters.CharFilter(field_name="job__name")
    state = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in ComparisonState])
    dry_run = django_filters.BooleanFilter(field_name="is_dry_run")
    run = django_filters.UUIDFilter(field_name="run_id")

    class Meta:
        model = Comparison
        fields = ()


class VarianceFilter(FilterSet):
    """Variances by what is wrong and where they stand."""

    job = django_filters.CharFilter(field_name="job__name")
    state = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in VarianceState])
    kind = django_filters.ChoiceFilter(choices=[(one.value, one.value) for one in VarianceKind])
    key = django_filters.CharFilter()
    owner = django_filters.CharFilter()
    comparison = django_filters.NumberFilter(field_name="last_comparison_id", help_text="The latest that found it.")
    trace = django_filters.CharFilter()

    class Meta:
        model = Variance
        fields = ()


class JobViewSet(ApiViewSet):
    """What must agree, and what is done about differences."""

    write_scope = Scope.DEFINITIONS_WRITE
    serializer_class = JobSerializer
    pagination_class = ByName
    queryset = Job.objects.order_by("name")

    def list(self, _request: Request) -> Response:
        """List the jobs by name."""
        return self.page_of(queries.jobs())

    @extend_schema(
        request=PublishSerializer,
        responses={200: JobSerializer, 201: JobSerializer, **problems(400, 422)},
    )
    def create(self, request: Request) -> Response:
        """Publish a job; the content of its newest version again changes nothing."""
        wanted = PublishSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        source = wanted.validated_data["source"]
        version, is_new = operations.publish(source=source, actor=actor_of(request), now=timezone.now())
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response({**JobSerializer(version.job).data, "is_new": is_new}, status=code)

    @extend_schema(responses={200: JobSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read a job."""
        return Response(JobSerializer(queries.get_job(name)).data)

    @extend_schema(request=EnableSerializer, responses={200: JobSerializer, **problems(400, 404)})
    def enable(self, request: Request, name: str) -> Response:
        """Switch a job on or off."""
        wanted = EnableSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        job = operations.set_enabled(name=name, actor=actor_of(request), now=timezone.now(), **wanted.validated_data)
        return Response(JobSerializer(job).data)

    @extend_schema(request=None, responses={200: JobSerializer, **problems(404, 409)})
    def put_in_force(self, request: Request, name: str, rule: str) -> Response:
        """Let a rule carry its repairs out, after a comparison has shown what it would do."""
        operations.put_in_force(name=name, rule=rule, actor=actor_of(request), now=timezone.now())
        return Response(JobSerializer(queries.get_job(name)).data)

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    def read_schema(self, _request: Request) -> Response:
        """Read the JSON Schema of jobs."""
        return Response(job_schema())


class ComparisonViewSet(ApiViewSet):
    """What was compared, and what it came to."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = ComparisonSerializer
    pagination_class = NewestNumberFirst
    filterset_class = ComparisonFilter
    queryset = Comparison.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List comparisons, the newest first."""
        return self.page_of(queries.comparisons())

    @extend_schema(responses={200: ComparisonSerializer, **problems(404)})
    def retrieve(self, _request: Request, comparison_id: int) -> Response:
        """Read a comparison."""
        return Response(ComparisonSerializer(queries.get_comparison(comparison_id)).data)

    @extend_schema(request=StartSerializer, responses={202: StartedSerializer, **problems(400, 404, 409)})
    def start(self, request: Request, name: str) -> Response:
        """Have workers compare a job now."""
        wanted = StartSerializer(data=request.data or {})
        wanted.is_valid(raise_exception=True)
        is_dry_run = wanted.validated_data["dry_run"]
        started = operations.start(name=name, is_dry_run=is_dry_run, actor=actor_of(request), now=timezone.now())
        return Response({"run": started.run_id, "is_new": started.is_new}, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses={(200, "text/html"): OpenApiTypes.STR, **problems(404)})
    def report_html(self, _request: Request, comparison_id: int) -> HttpResponse:
        """Read the report of a comparison as a page that stands alone."""
        page = reports.html(queries.get_comparison(comparison_id))
        answer = HttpResponse(page, content_type="text/html; charset=utf-8")
        answer["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return answer

    @extend_schema(responses={(200, "text/csv"): OpenApiTypes.STR, **problems(404)})
    def report_csv(self, _request: Request, comparison_id: int) -> StreamingHttpResponse:
        """Read the variances a comparison found as CSV."""
        return reports.csv_answer(queries.get_comparison(comparison_id))


class VarianceViewSet(ApiViewSet):
    """On what the two sides do not agree."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = VarianceSerializer
    pagination_class = NewestNumberFirst
    filterset_class = VarianceFilter
    queryset = Variance.objects.order_by("-id")

    def list(self, _request: Request) -> Response:
        """List variances, the newest first."""
        return self.page_of(queries.variances())

    @extend_schema(responses={200: VarianceDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, variance_id: int) -> Response:
        """Read a variance with its repairs."""
        row = queries.get_variance(variance_id)
        context = {"behind": queries.behind([row])[row.pk]}
        return Response(VarianceDetailSerializer(row, context=context).data)

    @extend_schema(request=AnswerSerializer, responses={200: AnsweredSerializer, **problems(400)})
    def answer(self, request: Request) -> Response:
        """Accept or dispute variances, or open them again; a comparison closes them, nobody else."""
        wanted = AnswerSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given: dict[str, Any] = wanted.validated_data  # Any: JSON
        told = operations.answer(
            ids=given["ids"],
            wanted=VarianceState(given["state"]),
            note=given["note"],
            actor=actor_of(request),
            now=timezone.now(),
        )
        return Response({"changed": told.changed, "refused": {str(key): why for key, why in told.refused.items()}})

    @extend_schema(request=AssignSerializer, responses={200: AnsweredSerializer, **problems(400)})
    def assign(self, request: Request) -> Response:
        """Say who looks after variances."""
        wanted = AssignSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        told = operations.assign(actor=actor_of(request), now=timezone.now(), **wanted.validated_data)
        return Response({"changed": told.changed, "refused": {}})

    @extend_schema(request=UndoSerializer, responses={202: RepairSerializer, **problems(400, 404, 409)})
    def undo(self, request: Request, variance_id: int) -> Response:
        """Undo the latest repair of a variance, where its rule says how; it is disputed then."""
        wanted = UndoSerializer(data=request.data or {})
        wanted.is_valid(raise_exception=True)
        repair = operations.undo_repair(
            variance_id=variance_id, actor=actor_of(request), now=timezone.now(), **wanted.validated_data
        )
        return Response(RepairSerializer(repair).data, status=status.HTTP_202_ACCEPTED)
