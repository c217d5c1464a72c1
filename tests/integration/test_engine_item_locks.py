"""Whoever needs a puller and its items locks the puller first: in another order two of them would wait in a circle."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone

from tests.flows.driving import TESTER, aside, begin, call, let_time_pass, work
from tests.support.waiting import wait_until
from workflows import operations, store
from workflows.models import Activation, DeadLetter, Item

pytestmark = pytest.mark.usefixtures("database")


def waits_without_an_item(act: Callable[[], object], *, run_id: UUID) -> bool:
    """This will have somebody act while we hold the pullers, and tell whether the items are free while it waits."""
    with transaction.atomic():
        list(Activation.objects.select_for_update().filter(run_id=run_id))
        thread = aside(act)
        wait_until(_has_followers, what="somebody waits for the puller")
        is_free = len(Item.objects.select_for_update(skip_locked=True).filter(run_id=run_id)) == 2
    thread.join(120)
    return is_free


def _has_followers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "select exists (select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid)))"
        )
        return bool(cursor.fetchone()[0])


def test_puller_that_takes_waiting_items_is_locked_first() -> None:
    run_id = begin({"map": call("fail_until", for_each=[1, 2], args={"attempt": 2}, retry={"first": "60s"})})
    work(run_id)
    let_time_pass(run_id)
    hold = Activation.objects.values("id", "epoch").get(run_id=run_id)

    assert waits_without_an_item(
        lambda: store.take_waiting_items(run_id=run_id, step="map", hold=hold, slot=0, limit=4),  # type: ignore[arg-type]  # a row has the same keys
        run_id=run_id,
    )
    assert {item.state for item in Item.objects.filter(run_id=run_id)} == {"running"}


def test_pullers_are_locked_before_the_item_that_is_requeued() -> None:
    retry = {"attempts": 2, "first": "60s", "cap": "60s", "jitter": "none"}
    run_id = begin({"map": call("fail_until", for_each=[1, 2], args={"attempt": 9}, retry=retry)})
    work(run_id)
    Item.objects.filter(run_id=run_id, index=0).update(due_at=timezone.now())
    Activation.objects.filter(run_id=run_id).update(due_at=timezone.now())
    work(run_id)
    letter = DeadLetter.objects.get(run_id=run_id, index=0)

    assert waits_without_an_item(
        lambda: operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now()),
        run_id=run_id,
    )
    assert Item.objects.get(run_id=run_id, index=0).state == "waiting"
