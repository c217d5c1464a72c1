"""Business transactions that start a run with data of their own: both are there afterwards, or neither."""

from random import Random
from uuid import UUID

from django.db import Error, connection, transaction
from django.utils import timezone

from audit.events import Actor, ActorKind
from tests.chaos.book import Book, Wanted
from workflows import operations

ACTOR = Actor(kind=ActorKind.SYSTEM, id="chaos-business")
_ROLLS_BACK = 0.25


class _Changed(Exception):
    """The business has thought better of it."""


def prepare() -> None:
    """This will make the table of business data."""
    with connection.cursor() as cursor:
        cursor.execute("create table if not exists chaos_business (run_id uuid primary key)")


def rows() -> set[UUID]:
    """This will give the runs that business data refer to."""
    with connection.cursor() as cursor:
        cursor.execute("select run_id from chaos_business")
        return {run_id for (run_id,) in cursor.fetchall()}


def trade(wanted: Wanted, *, dice: Random, book: Book) -> None:
    """This will start a run inside a transaction of the business, which sometimes rolls back."""
    is_kept = dice.random() >= _ROLLS_BACK
    run_id: UUID | None = None
    try:
        with transaction.atomic():
            run_id = _start(wanted)
            with connection.cursor() as cursor:
                cursor.execute("insert into chaos_business values (%s)", [run_id])
            if not is_kept:
                raise _Changed
        book.acknowledge(run_id, wanted=wanted)
    except _Changed:
        if run_id is not None:
            book.withdraw(run_id)
    except Error:  # the database went away: nobody knows whether it committed, and the rows will tell
        book.count(unanswered=1)
        connection.close()


def _start(wanted: Wanted) -> UUID:
    start = operations.Start(input=wanted.value)
    return operations.start_run(workflow=wanted.workload, start=start, actor=ACTOR, now=timezone.now()).run_id
