"""Reads all evidence from the database and the ledgers once the attack is over; it changes nothing."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import orjson
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import queries as audit
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
        return _gather(book=book, scene=scene, gateway_ledger=gateway_ledger, watch=watch)


def _gather(*, book: Book, scene: Scene, gateway_ledger: Path, watch: Watch) -> Evidence:
    runs = {run.id: run for run in _rows(found.RunRow, Run.objects.all())}
    return Evidence(
        book=book,
        workloads=BY_NAME,
        runs=runs,
        definitions={version: _definitions(version) for version in {run.version_id for run in runs.values()}},
        steps=_rows(found.StepRow, Step.objects.all()),
        fanouts=_rows(found.FanoutRow, Fanout.objects.all()),
        items=_rows(found.ItemRow, Item.objects.all()),
        attempts=_rows(found.AttemptRow, Attempt.objects.all()),
        letters=_rows(found.LetterRow, DeadLetter.objects.all()),
        activations=list(_activations()),
        slots=list(_slots()),
        events=list(_events()),
        ledger=Ledger(scene.ledger).entries(),
        charges=list(_charges(gateway_ledger)),
        business_rows=frozenset(business.rows()),
        business_actor=str(business.ACTOR),
        unnamed_waits=watch.unnamed_waits,
        looks=watch.looks,
    )


def _rows(row: type[_Row], queryset: QuerySet[Any]) -> list[_Row]:  # Any: whatever model has the row's columns
    names = [column.name for column in fields(row)]  # type: ignore[arg-type]  # all rows are dataclasses
    return [row(**values) for values in queryset.values(*names)]


def _definitions(version_id: int) -> Mapping[str, StepDefinition]:
    return plans.program_of(version_id).plan.graph.steps


def _activations() -> Iterator[found.ActivationRow]:
    now = timezone.now()
    for row in Activation.objects.all():
        yield found.ActivationRow(
            run_id=row.run_id,
            segment=row.segment,
            slot=row.slot,
            state=row.state,
            wait_reason=row.wait_reason,
            owner=row.owner,
            overdue_s=(now - row.due_at).total_seconds(),
        )


def _slots() -> Iterator[found.SlotRow]:
    held = Slot.objects.filter(holder__isnull=False).order_by("id")
    for limit, number, holder in held.values_list("limit__name", "number", "holder"):
        yield found.SlotRow(limit=limit, number=number, holder=holder or 0)


def _events() -> Iterator[found.EventRow]:
    for event in audit.walk():
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
