"""A loss counts, whatever becomes of the claim that finds it: put aside, ended beside others, or taken away."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, begin, call, claimable, leave_behind, lose, states, trail, work
from workflows import operations, plans, store
from workflows.core.pausing import PauseScope
from workflows.execution import items
from workflows.execution.cursor import open_cursor
from workflows.models import Activation, Attempt, Item, Pause, Run, Step

pytestmark = pytest.mark.usefixtures("clean_up")


@pytest.fixture
def clean_up(database: None) -> Iterator[None]:
    """This will leave no run of a test paused."""
    yield
    for row in Pause.objects.filter(scope=PauseScope.RUN, reason="a test of losses"):
        resume(UUID(row.name))


def pause(run_id: UUID) -> None:
    """This will pause a run."""
    wanted = operations.PauseWanted(scope=PauseScope.RUN, name=str(run_id), reason="a test of losses")
    operations.pause(wanted, actor=TESTER, now=timezone.now())


def resume(run_id: UUID) -> None:
    """This will let it go on."""
    operations.resume(scope=PauseScope.RUN, name=str(run_id), actor=TESTER, now=timezone.now())


def cancel(run_id: UUID) -> None:
    """This will cancel a run, with time to end what is in hand."""
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), grace_s=3600)


def take_item(run_id: UUID) -> int:
    """This will have a puller take an item and die; gives its index."""
    (claim,) = store.claim(refs=claimable(run_id)[:1], owner="dead worker", lease_s=60)
    cursor = open_cursor(claim, program=plans.program_of(claim.version_id), now=timezone.now(), owner="dead worker")
    assert items.begin(cursor) is None
    (item,) = items.take(cursor, limit=1, is_looking_back=False)
    return item.index


def two_pullers_at_work() -> UUID:
    """This will be a run with two workers at an item each."""
    run_id = begin({"map": call("noop", for_each=list(range(8)), parallel=2)})
    assert [take_item(run_id), take_item(run_id)] == [0, 1]
    return run_id


def lose_puller(run_id: UUID, *, slot: int) -> None:
    """This will have the lease of one puller run out."""
    assert Activation.objects.filter(run_id=run_id, slot=slot).update(due_at=timezone.now())


def lost_items(run_id: UUID) -> list[int]:
    """This will give the items of which nobody knows what they did."""
    found = Item.objects.filter(run_id=run_id, error__kind="lost").order_by("index")
    return list(found.values_list("index", flat=True))


def test_lost_step_that_is_put_aside_by_a_pause_when_its_time_is_over_has_spent_an_attempt() -> None:
    run_id = begin({"lost": call("noop", timeout={"schedule_to_close": "10h"}, retry=AT_ONCE)})
    leave_behind(run_id)
    lose(run_id)
    pause(run_id)
    timed = Activation.objects.filter(run_id=run_id)
    latest_end_at = timed.get().latest_end_at
    timed.update(latest_end_at=timezone.now())

    work(run_id)

    timed.update(latest_end_at=latest_end_at)
    assert Attempt.objects.get(run_id=run_id).kind == "lost"
    assert timed.get().wait_reason == "paused"
    resume(run_id)
    work(run_id)
    assert Step.objects.get(run_id=run_id).attempts == 2
    assert [kind for kind in trail(run_id) if kind.startswith("step.")] == ["step.lost", "step.succeeded"]


def test_item_of_a_lost_puller_is_unknown_though_another_puller_ends_the_step() -> None:
    run_id = two_pullers_at_work()
    cancel(run_id)

    for slot in (0, 1):
        lose_puller(run_id, slot=slot)
        work(run_id)

    assert Run.objects.get(id=run_id).state == "cancelled"
    assert states(run_id) == {"map": "cancelled"}
    assert lost_items(run_id) == [0, 1]
    assert Item.objects.filter(run_id=run_id, state="cancelled").count() == 8


def test_item_of_a_lost_puller_is_unknown_that_is_taken_away_while_another_one_is_at_work() -> None:
    run_id = two_pullers_at_work()
    Activation.objects.filter(run_id=run_id, slot=0).update(state="ready", due_at=timezone.now())  # dispatched again

    cancel(run_id)

    assert [row.slot for row in Activation.objects.filter(run_id=run_id)] == [1]
    assert lost_items(run_id) == [0]


def test_item_of_a_lost_puller_is_unknown_that_is_put_aside_by_a_pause() -> None:
    run_id = two_pullers_at_work()
    cancel(run_id)
    pause(run_id)

    for slot in (0, 1):
        lose_puller(run_id, slot=slot)
    work(run_id)
    resume(run_id)
    work(run_id)

    assert Run.objects.get(id=run_id).state == "cancelled"
    assert lost_items(run_id) == [0, 1]
