"""Runs over HTTP: start, list, read, cancel."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from audit.events import Actor
from workflows import explaining, operations, queries
from workflows.access import Scope
from workflows.api import correlation, idempotency
from workflows.api.answers import answer_header, header, problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.change_forms import CancelSerializer, ExplanationSerializer, UndoSerializer
from workflows.api.errors import IdempotencyKeyMissing
from workflows.api.filters import RunFilter
from workflows.api.pagination import NewestFirst
from workflows.api.serializers import (
    RunDetailSerializer,
    RunSerializer,
    StartedSerializer,
    started_answer,
)
from workflows.api.start_form import StartSerializer, read_start
from workflows.models import Run

_HEADERS = [
    header(idempotency.HEADER, "A unique string in double quotes; the same request again gives the same run."),
    header(correlation.HEADER, "Connects the run with what caused it; else the trace id is taken."),
    header("traceparent", "W3C trace context."),
    answer_header(correlation.HEADER, "The correlation id of the run."),
    answer_header(idempotency.REPLAYED_HEADER, "`true` when the run was started by an earlier request."),
]


class RunViewSet(ApiViewSet):
    """Runs."""

    write_scope = Scope.RUNS_WRITE
    serializer_class = RunSerializer
    pagination_class = NewestFirst
    filterset_class = RunFilter
    queryset = Run.objects.select_related("version").order_by("-id")

    @extend_schema(
        request=StartSerializer,
        parameters=_HEADERS,
        responses={201: StartedSerializer, 200: StartedSerializer, **problems(400, 404, 409, 422, 429)},
    )
    def create(self, request: Request) -> Response:
        """Start a run of a version that is in use: 201, or 200 when there is one that stands for it."""
        wanted = read_start(request.data)
        workflow, actor, now = wanted["workflow"], actor_of(request), timezone.now()
        start = _start(request, wanted=wanted, actor=actor, now=now)
        with idempotency.one_at_a_time():
            started = operations.start_run(
                workflow=workflow,
                start=start,
                actor=actor,
                now=now,
                is_limited=True,
                key_wait_ms=idempotency.WAIT_MS,
            )
        if started.is_new:
            run = _as_started(started, workflow=workflow, start=start, actor=actor, now=now)
        else:
            run = queries.get_run(run_id=started.run_id)
        return _answer(run, started=started)

    def list(self, _request: Request) -> Response:
        """List runs, the newest first."""
        return self.page_of(self.get_queryset())

    @extend_schema(responses={200: RunDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, run_id: UUID) -> Response:
        """Read a run with its data and what it waits for."""
        return _detail(queries.get_run(run_id=run_id))

    @extend_schema(responses={200: ExplanationSerializer, **problems(404)})
    def why(self, _request: Request, run_id: UUID) -> Response:
        """Say why a run is not further on: every reason, what would end it, and who is ahead."""
        return Response(ExplanationSerializer(explaining.explain(queries.get_run(run_id=run_id))).data)

    @extend_schema(request=CancelSerializer, responses={200: RunDetailSerializer, **problems(404, 409)})
    def cancel(self, request: Request, run_id: UUID) -> Response:
        """Cancel a run; cancelling again changes nothing, unless it is forced.

        What the run owes, undo and `finally`, comes before its end: `closing` says what is done, what is under way and
        what will be undone. Without a grace a step under way may still have its effect.
        """
        wanted = CancelSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        run = operations.cancel_run(
            run_id=run_id,
            actor=actor_of(request),
            now=timezone.now(),
            reason=wanted.validated_data["reason"],
            grace_s=wanted.validated_data["grace_s"],
            is_undoing=wanted.validated_data["undo"],
            is_forced=wanted.validated_data["force"],
        )
        return _detail(run)

    @extend_schema(request=UndoSerializer, responses={200: RunDetailSerializer, **problems(404, 409)})
    def undo(self, request: Request, run_id: UUID) -> Response:
        """Undo what an ended run did, in reverse order; asking again changes nothing. It runs on until that is done."""
        wanted = UndoSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        reason = wanted.validated_data["reason"]
        return _detail(operations.undo_run(run_id=run_id, actor=actor_of(request), now=timezone.now(), reason=reason))


def _start(request: Request, *, wanted: Mapping[str, Any], actor: Actor, now: datetime) -> operations.Start:
    given = request.headers.get(idempotency.HEADER)
    if given is None and getattr(settings, "API_REQUIRE_IDEMPOTENCY_KEY", False):
        raise IdempotencyKeyMissing
    traceparent = correlation.parse_traceparent(request.headers.get("traceparent"))
    return operations.Start(
        input=wanted["input"],
        # Keys of different callers are different keys.
        key=None if given is None else f"{actor}:{idempotency.parse_key(given)}",
        correlation_id=correlation.correlation_id(
            header=request.headers.get(correlation.HEADER), traceparent=traceparent
        ),
        traceparent=traceparent,
        priority=wanted["priority"],
        start_at=_start_at(wanted, now=now),
        version=wanted["version"],
        dry=_dry(wanted),
    )


def _dry(wanted: Mapping[str, Any]) -> operations.Dry | None:
    if wanted["mode"] != operations.DRY_RUN:
        return None
    return operations.Dry(pins=wanted["pins"] if wanted["pins"] is not None else {}, of=wanted["pins_from"])


def _start_at(wanted: Mapping[str, Any], *, now: datetime) -> datetime | None:
    delay_s, start_at = wanted["delay_s"], wanted["start_at"]
    try:
        return operations.read_start_at(delay_s=delay_s, start_at=start_at, now=now)
    except ValueError as error:
        raise ValidationError({"start_at" if delay_s is None else "delay_s": [str(error)]}) from error


def _as_started(
    started: operations.Started, *, workflow: str, start: operations.Start, actor: Actor, now: datetime
) -> Run:
    """The run as it was just stored: reading it again would only cost time."""
    return Run(
        id=started.run_id,
        workflow_name=workflow,
        state=started.state,
        correlation_id=start.correlation_id or str(started.run_id),
        started_by=str(actor),
        priority=start.priority,
        is_dry=start.dry is not None,
        created_at=now,
    )


def _answer(run: Run, *, started: operations.Started) -> Response:
    headers = {correlation.HEADER: run.correlation_id, "Location": reverse("run", args=[run.id])}
    if not started.is_new and (started.is_repeated or not started.joined):
        headers[idempotency.REPLAYED_HEADER] = "true"
    return Response(
        started_answer(run, joined=started.joined),
        status=status.HTTP_201_CREATED if started.is_new else status.HTTP_200_OK,
        headers=headers,
    )


def _detail(run: Run) -> Response:
    return Response(RunDetailSerializer(run).data, headers={correlation.HEADER: run.correlation_id})
