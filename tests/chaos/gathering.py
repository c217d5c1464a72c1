"""Reads all evidence from the database and the ledgers once the attack is over; it changes nothing."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit import queries as audit
from audit.events import EventKind
from audit.models import AuditEvent
from audit.verify import is_genuine
from automation.models import Fire, Schedule, WebhookDelivery
from tests.chaos import evidence as found
from tests.chaos.arrivals import FireEventRow, FireRow, HookRow, PlaceRow
from tests.chaos.book import Book
from tests.chaos.clients import business
from tests.chaos.evidence import Evidence
from tests.chaos.watch import Watch
from tests.chaos.workloads import BY_NAME, limits
from tests.chaos.workloads.hooks import SOURCE
from tests.chaos.workloads.workload import Scene
from tests.flows.ledger import Entry, Ledger
from workflows import plans
from workflows.core.definition import StepDefinition
from workflows.models import (
    Activation,
    Attempt,
    ChildRun,
    DeadLetter,
    Event,
    Fanout,
    HumanAnswer,
    HumanRequest,
    Item,
    Run,
    RunSlot,
    Slot,
    Step,
)

_Row = TypeVar("_Row")


def gather(
    *, book: Book, scene: Scene, gateway_ledger: Path, watch: Watch, wiped_at: Sequence[datetime] = ()
) -> Evidence:
    """This will read everything, the rows in one snapshot: what is still under way must not look like a gap.

    The ledger is read before them, so that what it tells was done on what they tell.
    """
    entries = Ledger(scene.ledger).entries()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
        rows = rows_of(Run.objects.all(), trail=audit.walk(), entries=entries)
        return replace(
            with_slots(rows, held=Slot.objects.all()),
            book=book,
            workloads=BY_NAME,
            capacities={limits.LIMIT: limits.CAPACITY},
            charges=list(_charges(gateway_ledger)),
            places=[
                PlaceRow(run_id=place.run_id, gate=str(place.gate), number=place.number)
                for place in RunSlot.objects.select_related("gate")
            ],
            fires=list(_fires()),
            fire_events=list(_fire_events()),
            hooks=list(_hooks()),
            wiped_at=wiped_at,
            business_rows=frozenset(business.rows()),
            business_actor=str(business.ACTOR),
            unnamed_waits=watch.unnamed_waits,
            looks=watch.looks,
            peak_connections=watch.peak_connections,
        )


def rows_of(wanted: QuerySet[Run], *, trail: Iterable[AuditEvent], entries: Sequence[Entry]) -> Evidence:
    """This will read what there is of some runs: their rows, their trail and the ledger of their steps."""
    programs = {run.id: run.program_id for run in wanted.exclude(grown_id=None)}
    runs = {
        run.id: replace(run, version_id=programs.get(run.id, run.version_id)) for run in _rows(found.RunRow, wanted)
    }
    of_runs = Q(run_id__in=wanted.values("id"))
    return Evidence(
        book=Book(),
        workloads={},
        runs=runs,
        definitions={version: _definitions(version) for version in {run.version_id for run in runs.values()}},
        steps=_rows(found.StepRow, Step.objects.filter(of_runs)),
        fanouts=_rows(found.FanoutRow, Fanout.objects.filter(of_runs)),
        items=_rows(found.ItemRow, Item.objects.filter(of_runs)),
        attempts=_rows(found.AttemptRow, Attempt.objects.filter(of_runs)),
        letters=_rows(found.LetterRow, DeadLetter.objects.filter(of_runs)),
        activations=list(_activations(of_runs)),
        children=_rows(found.ChildRow, ChildRun.objects.filter(parent_id__in=wanted.values("id"))),
        requests=list(_requests(of_runs)),
        answers=_rows(found.AnswerRow, HumanAnswer.objects.filter(of_runs)),
        events=list(_events(trail)),
        ledger=entries,
    )


def with_slots(evidence: Evidence, *, held: QuerySet[Slot]) -> Evidence:
    """This will add which of some slots somebody has."""
    taken = held.filter(holder__isnull=False).order_by("id").values_list("limit__name", "number", "holder")
    slots = [found.SlotRow(limit=limit, number=number, holder=holder or 0) for limit, number, holder in taken]
    return replace(evidence, slots=slots)


def _rows(row: type[_Row], queryset: QuerySet[Any]) -> list[_Row]:  # Any: whatever model has the row's columns
    names = [column.name for column in fields(row)]  # type: ignore[arg-type]  # all rows are dataclasses
    return [row(**values) for values in queryset.values(*names)]


def _definitions(version_id: int) -> Mapping[str, StepDefinition]:
    """The steps of a version, or of what a run that has grown has made of one."""
    return plans.program_of(version_id).plan.graph.steps


def _activations(of_runs: Q) -> Iterator[found.ActivationRow]:
    now = timezone.now()
    for row in Activation.objects.filter(of_runs):
        yield found.ActivationRow(
            run_id=row.run_id,
            segment=row.segment,
            slot=row.slot,
            state=row.state,
            wait_reason=row.wait_reason,
            owner=row.owner,
            overdue_s=(now - row.due_at).total_seconds(),
        )


def _requests(of_runs: Q) -> Iterator[found.RequestRow]:
    for row in HumanRequest.objects.filter(of_runs).order_by("id"):
        yield found.RequestRow(
            id=row.id,
            run_id=row.run_id,
            step=row.step,
            index=row.index,
            round=row.round,
            state=row.state,
            approvers=row.terms.get("approvers", 1),
            expires_at=row.expires_at,
            kind=row.kind,
        )


def _events(trail: Iterable[AuditEvent]) -> Iterator[found.EventRow]:
    for event in trail:
        if event.subject_type == "run":
            yield found.EventRow(
                id=event.id,
                run_id=UUID(event.subject_id),
                kind=event.kind,
                at=event.at,
                payload=orjson.loads(event.payload),
                is_genuine=is_genuine(event),
            )


def _fires() -> Iterator[FireRow]:
    workflow_of = dict(Schedule.objects.values_list("id", "workflow"))
    for row in Fire.objects.order_by("id"):
        yield FireRow(
            workflow=workflow_of[row.schedule_id],
            due_at=row.due_at,
            fire_at=row.fire_at,
            recorded_at=row.recorded_at,
            state=row.state,
            reason=row.reason,
            run_id=row.run_id,
            settled_at=row.settled_at,
        )


def _fire_events() -> Iterator[FireEventRow]:
    """Schedules of the attack have the names of their workflows."""
    for event in AuditEvent.objects.filter(kind=EventKind.SCHEDULE_FIRED).order_by("id"):
        payload = orjson.loads(event.payload)
        due_at = datetime.fromisoformat(payload["due_at"])
        yield FireEventRow(workflow=event.subject_id, due_at=due_at, state=payload["state"])


def _hooks() -> Iterator[HookRow]:
    requests = Counter(
        json.loads(bytes(body))["number"]
        for body in WebhookDelivery.objects.filter(source=SOURCE).values_list("body", flat=True)
    )
    events = Counter(
        (event.data or {})["number"] for event in Event.objects.filter(source=f"webhook:{SOURCE}").only("data")
    )
    for number in requests.keys() | events.keys():
        yield HookRow(number=number, requests=requests[number], events=events[number])


def _charges(path: Path) -> Iterator[found.Charge]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        for order_id, cents in connection.execute("select order_id, amount_cents from entries"):
            yield found.Charge(order_id=order_id, amount_cents=cents)
