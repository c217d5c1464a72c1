"""Rounds of a `repeat_until`: how many, with which keys and pauses, and what a loss or a requeue does to them."""

from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import TESTER, begin, call, finish, let_time_pass, lose, states, take_due, trail_of, work
from tests.flows.driving import claimable as due_now
from tests.flows.ledger import Ledger
from workflows import operations, store
from workflows.core.identity import idempotency_key
from workflows.models import Activation, Attempt, DeadLetter, Item, Run

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


def poll(ledger: Ledger, *, done_in: int, times: int = 5, **more: object) -> dict[str, object]:
    """This will be a step that is done in its n-th round."""
    until = {"condition": "${{ output.status == 'done' }}", "every": "1h", "times": times}
    return call("poll", args={"ledger": str(ledger.path), "done_in": done_in}, repeat_until=until, **more)


def keys(ledger: Ledger, run_id: UUID) -> list[str]:
    """This will give the keys of the effects, in order."""
    return [entry.key for entry in ledger.entries("effect", run_id=run_id)]


def test_step_is_repeated_until_its_condition_holds(ledger: Ledger) -> None:
    run = finish(
        {"poll": poll(ledger, done_in=3), "next": call("noop", needs="poll")}, output="${{ steps.poll.output }}"
    )

    assert (run.state, run.output) == ("succeeded", {"status": "done", "round": 3})
    assert keys(ledger, run.id) == [
        idempotency_key(run=run.id, step="poll", index=None, round_number=number) for number in (1, 2, 3)
    ]
    rows = Attempt.objects.filter(run_id=run.id).values_list("kind", "evidence__round", "evidence__output__status")
    assert list(rows) == [("repeat", 1, "busy"), ("repeat", 2, "busy")]
    assert [event["round"] for event in trail_of(run.id, "step.repeating")] == [1, 2]


def test_pause_between_rounds_costs_a_row_and_says_which_round_is_next(ledger: Ledger) -> None:
    run_id = begin({"poll": poll(ledger, done_in=3)})
    work(run_id)

    row = Activation.objects.get(run_id=run_id)
    assert (row.state, row.wait_reason, row.wait_object, row.owner) == ("waiting", "repeat", "round 2 of 5", "")
    assert 3500 < (row.due_at - timezone.now()).total_seconds() <= 3600
    take_due()
    assert not due_now(run_id)


def test_last_round_without_its_condition_fails_the_step_and_a_requeue_allows_as_many_again(ledger: Ledger) -> None:
    run = finish({"poll": poll(ledger, done_in=4, times=2)})
    assert run.error is not None
    assert (run.state, run.error["message"]) == ("failed", "the condition of repeat_until did not hold after 2 rounds")

    letter = DeadLetter.objects.get(run_id=run.id)
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    work(run.id, is_patient=False)

    assert states(run.id) == {"poll": "failed"}
    operations.requeue_dead_letter(
        dead_letter_id=DeadLetter.objects.filter(run_id=run.id).latest("id").id, actor=TESTER, now=timezone.now()
    )
    work(run.id, is_patient=False)
    assert Run.objects.get(id=run.id).state == "succeeded"
    assert len(set(keys(ledger, run.id))) == 4


def test_lost_round_is_made_again_with_its_key_and_no_completed_one(ledger: Ledger) -> None:
    run_id = begin({"poll": poll(ledger, done_in=3)})
    work(run_id)
    let_time_pass(run_id)
    store.claim(refs=due_now(run_id), owner="dead", lease_s=60.0)
    lose(run_id)
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert len(keys(ledger, run_id)) == len(set(keys(ledger, run_id))) == 3
    assert Attempt.objects.filter(run_id=run_id, kind="lost").count() == 1


def test_failed_attempt_is_retried_within_its_round(ledger: Ledger) -> None:
    until = {"condition": "${{ output == 2 }}", "every": "1h", "times": 2}
    run = finish({"poll": call("fail_until", args={"attempt": 2}, repeat_until=until, retry={"attempts": 2})})

    assert run.state == "succeeded"
    assert list(Attempt.objects.filter(run_id=run.id).values_list("kind", "attempt")) == [("unavailable", 1)]


def test_condition_that_cannot_be_evaluated_fails_the_step() -> None:
    until = {"condition": "${{ output.nothing }}", "every": 1, "times": 2}
    run = finish({"poll": call("echo", args={"value": {}}, repeat_until=until)})

    assert run.error is not None
    assert (run.state, run.error["kind"]) == ("failed", "refused")


def test_items_have_rounds_of_their_own(ledger: Ledger) -> None:
    until = {"condition": "${{ output.round >= item }}", "every": "1h", "times": 5}
    args = {"ledger": f"{ledger.path}-${{{{ index }}}}", "done_in": 0}
    run = finish(
        {"map": call("poll", for_each=[1, 3], args=args, repeat_until=until)}, output="${{ steps.map.output }}"
    )

    assert [one["round"] for one in run.output or ()] == [1, 3]
    assert list(Item.objects.filter(run_id=run.id).order_by("index").values_list("state", "attempt")) == [
        ("succeeded", 1),
        ("succeeded", 1),
    ]
    assert list(Attempt.objects.filter(run_id=run.id).values_list("kind", "index")) == [("repeat", 1)] * 2
