"""Schedules over HTTP: list, read, write, end; pause, resume, trigger; preview, fires, backfills; calendars."""

import re
from collections.abc import Mapping
from typing import Any

import django_filters
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from automation import schedule_explaining, schedule_queries, scheduling
from automation.api.forms import (
    BackfillFormSerializer,
    BackfillPlanSerializer,
    BackfillSerializer,
    CalendarFormSerializer,
    CalendarListSerializer,
    CalendarSerializer,
    FireSerializer,
    PoliciesSerializer,
    PreviewSerializer,
    ReasonSerializer,
    ScheduleExplanationSerializer,
    ScheduleFormSerializer,
    ScheduleSerializer,
)
from automation.models import Backfill, DayCalendar, Fire, Schedule
from automation.schedule.backfill import Order, Reprocess
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.pagination import ByName, NewestNumberFirst

_MOST_UPCOMING = 100


class _ByScheduleName(ByName):
    position_form = re.compile(r".{1,230}", re.DOTALL)


class ScheduleFilter(FilterSet):
    """Schedules; without `ended` only those that have not."""

    workflow = django_filters.CharFilter()
    source = django_filters.CharFilter()
    ended = django_filters.BooleanFilter(field_name="ended_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = Schedule
        fields = ()


class ScheduleViewSet(ApiViewSet):
    """When work is due."""

    write_scope = Scope.DEFINITIONS_WRITE
    serializer_class = ScheduleSerializer
    pagination_class = _ByScheduleName
    filterset_class = ScheduleFilter
    queryset = Schedule.objects.order_by("name")

    def list(self, request: Request) -> Response:
        """List schedules by name."""
        with_ended = "ended" in request.query_params
        return self.page_of(schedule_queries.schedules(with_ended=with_ended))

    @extend_schema(responses={200: ScheduleSerializer, **problems(404)})
    def retrieve(self, _request: Request, schedule_id: int) -> Response:
        """Read a schedule."""
        return _shown(schedule_queries.get_schedule(schedule_id))

    @extend_schema(
        request=ScheduleFormSerializer,
        responses={200: ScheduleSerializer, 201: ScheduleSerializer, **problems(400, 422)},
    )
    def create(self, request: Request) -> Response:
        """Make a schedule, or change the one of this name; the same again changes nothing."""
        document = _document(request)
        name, workflow = (str(document.pop(key, "")) for key in ("name", "workflow"))
        schedule, is_new = scheduling.save_schedule(
            name=name, workflow=workflow, document=document, actor=actor_of(request), now=timezone.now()
        )
        return _shown(schedule, code=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    @extend_schema(request=PoliciesSerializer, responses={200: ScheduleSerializer, **problems(400, 404, 409, 422)})
    def policies(self, request: Request, schedule_id: int) -> Response:
        """Say what matters besides the timing of a periodic task: misfire, overlap and the rest."""
        schedule = schedule_queries.get_schedule(schedule_id)
        return _shown(
            scheduling.set_policies(
                schedule=schedule, policies=_document(request), actor=actor_of(request), now=timezone.now()
            )
        )

    @extend_schema(responses={204: None, **problems(404, 409)})
    def destroy(self, request: Request, schedule_id: int) -> Response:
        """End a schedule that was made here; what it has fired stays on record."""
        schedule = schedule_queries.get_schedule(schedule_id)
        scheduling.end_schedule(schedule=schedule, actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class ScheduleActionViewSet(ApiViewSet):
    """What is done with a schedule, wherever it comes from."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = ScheduleSerializer
    queryset = Schedule.objects.none()

    @extend_schema(request=ReasonSerializer, responses={200: ScheduleSerializer, **problems(400, 404)})
    def pause(self, request: Request, schedule_id: int) -> Response:
        """Have it not be due until it is resumed."""
        wanted = ReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        schedule = schedule_queries.get_schedule(schedule_id)
        reason = wanted.validated_data["reason"]
        return _shown(scheduling.pause(schedule=schedule, reason=reason, actor=actor_of(request), now=timezone.now()))

    @extend_schema(request=None, responses={200: ScheduleSerializer, **problems(404)})
    def resume(self, request: Request, schedule_id: int) -> Response:
        """Have it be due again from now on."""
        schedule = schedule_queries.get_schedule(schedule_id)
        return _shown(scheduling.resume(schedule=schedule, actor=actor_of(request), now=timezone.now()))

    @extend_schema(request=None, responses={202: FireSerializer, **problems(404)})
    def trigger(self, request: Request, schedule_id: int) -> Response:
        """Have it fire now; its overlap rule counts, its calendars do not."""
        schedule = schedule_queries.get_schedule(schedule_id)
        fire = scheduling.trigger(schedule=schedule, actor=actor_of(request), now=timezone.now())
        return Response(FireSerializer(fire).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(
        parameters=[OpenApiParameter("count", int, description="How many: 1 to 100; without: 10.")],
        responses={200: PreviewSerializer, **problems(400, 404)},
    )
    def preview(self, request: Request, schedule_id: int) -> Response:
        """List the next due times with local time, UTC and what is special about each."""
        schedule = schedule_queries.get_schedule(schedule_id)
        found = schedule_queries.preview(schedule, now=timezone.now(), count=_count(request))
        return Response(PreviewSerializer({"results": found}).data)

    @extend_schema(responses={200: ScheduleExplanationSerializer, **problems(404)})
    def why(self, _request: Request, schedule_id: int) -> Response:
        """Say what its next due time, its buffer and its backfills wait for."""
        found = schedule_explaining.explain(schedule_queries.get_schedule(schedule_id), now=timezone.now())
        return Response(ScheduleExplanationSerializer(found).data)


class FireViewSet(ApiViewSet):
    """What became of due times."""

    serializer_class = FireSerializer
    pagination_class = NewestNumberFirst
    queryset = Fire.objects.none()

    @extend_schema(responses={200: FireSerializer(many=True), **problems(404)})
    def list(self, _request: Request, schedule_id: int) -> Response:
        """List the fires of a schedule, the newest first."""
        return self.page_of(schedule_queries.fires_of(schedule_queries.get_schedule(schedule_id)).order_by("-id"))


class BackfillViewSet(ApiViewSet):
    """Due times of the past that are made up for."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = BackfillSerializer
    pagination_class = NewestNumberFirst
    queryset = Backfill.objects.none()

    @extend_schema(responses={200: BackfillSerializer(many=True), **problems(404)})
    def list(self, _request: Request, schedule_id: int) -> Response:
        """List the backfills of a schedule, the newest first."""
        return self.page_of(schedule_queries.backfills_of(schedule_queries.get_schedule(schedule_id)))

    @extend_schema(
        request=BackfillFormSerializer,
        responses={200: BackfillPlanSerializer, 201: BackfillSerializer, **problems(400, 404, 422)},
    )
    def create(self, request: Request, schedule_id: int) -> Response:
        """Make up for due times of the past; with `dry_run` only list them."""
        wanted = BackfillFormSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        given = wanted.validated_data
        wish = scheduling.BackfillWish(
            starts_at=given["start"],
            ends_at=given["end"],
            order=Order(given["order"]),
            parallel=given["parallel"],
            reprocess=Reprocess(given["reprocess"]),
        )
        schedule, now = schedule_queries.get_schedule(schedule_id), timezone.now()
        if given["dry_run"]:
            return Response(
                BackfillPlanSerializer(scheduling.plan_backfill(schedule=schedule, wish=wish, now=now)).data
            )
        backfill = scheduling.start_backfill(schedule=schedule, wish=wish, actor=actor_of(request), now=now)
        return Response(BackfillSerializer(backfill).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses={200: BackfillSerializer, **problems(404)})
    def retrieve(self, _request: Request, backfill_id: int) -> Response:
        """Read how far a backfill is."""
        return Response(BackfillSerializer(schedule_queries.get_backfill(backfill_id)).data)

    @extend_schema(request=None, responses={200: BackfillSerializer, **problems(404, 409)})
    def stop(self, request: Request, backfill_id: int) -> Response:
        """Have it begin nothing more; its runs under way go on."""
        backfill = scheduling.stop_backfill(backfill_id=backfill_id, actor=actor_of(request), now=timezone.now())
        return Response(BackfillSerializer(backfill).data)


class CalendarViewSet(ApiViewSet):
    """Days on which schedules that name them are not due."""

    write_scope = Scope.DEFINITIONS_WRITE
    serializer_class = CalendarSerializer
    pagination_class = None
    queryset = DayCalendar.objects.none()

    @extend_schema(responses={200: CalendarListSerializer})
    def list(self, _request: Request) -> Response:
        """List all calendars by name."""
        return Response({"results": CalendarSerializer(schedule_queries.calendars(), many=True).data})

    @extend_schema(responses={200: CalendarSerializer, **problems(404)})
    def retrieve(self, _request: Request, name: str) -> Response:
        """Read a calendar."""
        return Response(CalendarSerializer(schedule_queries.get_calendar(name)).data)

    @extend_schema(
        request=CalendarFormSerializer,
        responses={200: CalendarSerializer, 201: CalendarSerializer, **problems(400, 422)},
    )
    def update(self, request: Request, name: str) -> Response:
        """Make a calendar or change it; the same again changes nothing."""
        wanted = CalendarFormSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        calendar, is_new = scheduling.set_calendar(
            name=name, actor=actor_of(request), now=timezone.now(), **wanted.validated_data
        )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(CalendarSerializer(calendar).data, status=code)

    @extend_schema(responses={204: None, **problems(404, 409)})
    def destroy(self, request: Request, name: str) -> Response:
        """Delete a calendar that no schedule names."""
        scheduling.delete_calendar(name=name, actor=actor_of(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


def _document(request: Request) -> dict[str, Any]:  # Any: JSON
    if not isinstance(request.data, Mapping):
        raise ValidationError("a schedule is a mapping")
    return dict(request.data)


def _count(request: Request) -> int:
    text = request.query_params.get("count", "10")
    if not text.isdecimal() or not 1 <= int(text[:9]) <= _MOST_UPCOMING:
        raise ValidationError({"count": f"must be 1 to {_MOST_UPCOMING}"})
    return int(text)


def _shown(schedule: Schedule, *, code: int = status.HTTP_200_OK) -> Response:
    return Response(ScheduleSerializer(schedule).data, status=code)
