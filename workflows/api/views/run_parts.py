"""The parts of a run over HTTP: steps, items, runs it started, attempts, audit events; all of it is only read."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import queries as audit
from workflows import child_queries, inspection, queries
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.child_serializers import ChildSerializer, GrownPlanSerializer
from workflows.api.pagination import ByIndex, NumbersFirst, OldestFirst
from workflows.api.serializers import (
    AttemptSerializer,
    AuditEventSerializer,
    ItemSerializer,
    StepListSerializer,
)
from workflows.models import Attempt, ChildRun, GrownPlan, Item, Run


class StepViewSet(ApiViewSet):
    """Steps of a run."""

    serializer_class = StepListSerializer
    pagination_class = None
    queryset = Run.objects.none()

    @extend_schema(responses={200: StepListSerializer, **problems(404)})
    def list(self, _request: Request, run_id: UUID) -> Response:
        """List all steps in the order of the plan, those not yet begun as well."""
        reports = inspection.steps_of(queries.get_run(run_id=run_id))
        return Response(StepListSerializer({"results": reports}).data)


class ItemViewSet(ApiViewSet):
    """Items of a `for_each`."""

    serializer_class = ItemSerializer
    pagination_class = ByIndex
    queryset = Item.objects.none()

    @extend_schema(responses={200: ItemSerializer(many=True), **problems(404)})
    def list(self, _request: Request, run_id: UUID, step: str) -> Response:
        """List the items of a `for_each` in their order."""
        queries.get_run(run_id=run_id)
        return self.page_of(Item.objects.filter(run_id=run_id, step=step))


class ChildViewSet(ApiViewSet):
    """Runs that the steps of a run have started."""

    serializer_class = ChildSerializer
    pagination_class = OldestFirst
    queryset = ChildRun.objects.none()

    @extend_schema(responses={200: ChildSerializer(many=True), **problems(404)})
    def list(self, _request: Request, run_id: UUID) -> Response:
        """List the runs that the steps of a run have started (`uses: workflow`), in the order of their start."""
        queries.get_run(run_id=run_id)
        return self.page_of(child_queries.children_of(run_id))


class PlanViewSet(ApiViewSet):
    """Plans that a run has grown."""

    serializer_class = GrownPlanSerializer
    pagination_class = NumbersFirst
    queryset = GrownPlan.objects.none()

    @extend_schema(responses={200: GrownPlanSerializer(many=True), **problems(404)})
    def list(self, _request: Request, run_id: UUID) -> Response:
        """List what a run has become each time one of its steps has returned further steps, the latest last."""
        queries.get_run(run_id=run_id)
        return self.page_of(GrownPlan.objects.filter(run_id=run_id))


class AttemptViewSet(ApiViewSet):
    """Attempts that did not succeed."""

    serializer_class = AttemptSerializer
    pagination_class = OldestFirst
    queryset = Attempt.objects.none()

    @extend_schema(responses={200: AttemptSerializer(many=True), **problems(404)})
    def list(self, _request: Request, run_id: UUID) -> Response:
        """List the attempts that did not succeed, the earliest first."""
        queries.get_run(run_id=run_id)
        return self.page_of(Attempt.objects.filter(run_id=run_id))


class EventViewSet(ApiViewSet):
    """The audit trail of a run."""

    serializer_class = AuditEventSerializer
    pagination_class = OldestFirst
    queryset = Run.objects.none()

    @extend_schema(responses={200: AuditEventSerializer(many=True), **problems(404)})
    def list(self, _request: Request, run_id: UUID) -> Response:
        """List what happened to a run, the earliest first."""
        queries.get_run(run_id=run_id)
        return self.page_of(audit.events_for(str(run_id)))
