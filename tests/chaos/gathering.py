"""Reads all evidence from the database and the ledgers once the attack is over; it changes nothing."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from audit import queries as audit
from audit.models import AuditEvent
from audit.verify import is_genuine
from tests.chaos import evidence as found
from tests.chaos.book import Book
from tests.chaos.clients import business
from tests.chaos.evidence import Evidence
from tests.chaos.watch import Watch
from tests.chaos.workloads import BY_NAME
from tests.chaos.workloads.workload import Scene
from tests.flows.ledger import Ledger
from workflows import plans
from workflows.core.definition import StepDefinition
from workflows.models import Activation, Attempt, DeadLetter, Fanout, Item, Run, Slot, Step

_Row = TypeVar("_Row")


def gather(*, book: Book, scene: Scene, gateway_ledger: Path, watch: Watch) -> Evidence:
    """This will read everything, in one snapshot: what is still under way must not look like a gap."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("set transaction isolation level repeatable read")
        rows = rows_of(Run.objects.all(), trail=audit.walk(), ledger=scene.ledger)
        return replace(
            with_slots(rows, held=Slot.objects.all()),
            book=book,
            workloads=BY_NAME,
            charges=list(_charges(gateway_ledger)),
            business_rows=frozenset(business.rows()),
            business_actor=str(business.ACTOR),
            unnamed_waits=watch.unnamed_waits,
            looks=watch.looks,
        )


def rows_of(wanted: QuerySet[Run], *, trail: Iterable[AuditEvent], ledger: Path) -> Evidence:
    """This will read what there is of some runs: their rows, their trail and the ledger of their steps."""
    runs = {run.id: run for run in _rows(found.RunRow, wanted)}
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
        events=list(_events(trail)),
        ledger=Ledger(ledger).entries(),
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


def _charges(path: Path) -> Iterator[found.Charge]:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        for order_id, cents in connection.execute("select order_id, amount_cents from entries"):
            yield found.Charge(order_id=order_id, amount_cents=cents)
