"""Runs that a deadline ended and somebody brings back: what was stopped is done, what was done is not done again."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from integrations import registry
from tests.flows.driving import TESTER, begin, call, claimable, states, trail, work
from tests.flows.ledger import Ledger
from workflows import operations, plans, store
from workflows.core.selection import Selection
from workflows.execution import fanout
from workflows.execution.cursor import open_cursor
from workflows.models import Activation, Attempt, DeadLetter, Item, Run
from workflows.store import Claim

pytestmark = pytest.mark.usefixtures("database")
LATER: Mapping[str, object] = {"attempts": 3, "first": "60s", "cap": "60s", "jitter": "none"}


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """This will be the file that steps need to succeed; it does not exist yet."""
    return tmp_path / "gate"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


def expire(run_id: UUID) -> None:
    """This will let the deadline of a run pass."""
    Run.objects.filter(id=run_id).update(deadline_at=timezone.now())
    assert operations.expire_run(run_id=run_id, now=timezone.now())


def deadline_letter(run_id: UUID) -> DeadLetter:
    """This will be the dead letter of a run that its deadline has ended."""
    return DeadLetter.objects.get(run_id=run_id, step="")


def open_items(run_id: UUID) -> Claim:
    """This will open the items of the run's one step, with its first puller in the hands of a busy worker."""
    (claim,) = store.claim(refs=claimable(run_id), owner="busy", lease_s=60)
    cursor = open_cursor(claim, program=plans.program_of(claim.version_id), now=timezone.now(), owner="busy")
    assert fanout.open_items(cursor) is None
    return claim


def requeue(letter: DeadLetter) -> None:
    """This will try a dead letter again."""
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())


def test_run_past_its_deadline_goes_on_where_it_was_with_a_fresh_deadline(gate: Path, ledger: Ledger) -> None:
    args = {"ledger": str(ledger.path)}
    run_id = begin(
        {
            "before": call("effect", args=args),
            "ask": call("fail_unless", needs="before", args={"path": str(gate)}, retry=LATER),
            "behind": call("effect", needs="ask", args=args),
        },
        deadline="1h",
    )
    work(run_id)
    expire(run_id)
    letter = deadline_letter(run_id)
    assert (letter.kind, letter.payload) == ("deadline", {"stopped_steps": ["ask"]})
    gate.touch()

    requeue(letter)
    deadline_at = Run.objects.get(id=run_id).deadline_at
    work(run_id, is_patient=False)

    run = Run.objects.get(id=run_id)
    assert (run.state, run.round, set(states(run_id).values())) == ("succeeded", 1, {"succeeded"})
    assert deadline_at is not None
    assert deadline_at > timezone.now() + timedelta(minutes=59)
    assert [entry.step for entry in ledger.entries("effect")] == ["before", "behind"]
    assert deadline_letter(run_id).trial == "succeeded"


def test_requeue_of_a_failed_step_brings_back_what_the_deadline_stopped(gate: Path) -> None:
    run_id = begin(
        {
            "ask": call("fail_unless", args={"path": str(gate)}, retry={"attempts": 1}),
            "other": call("fail_until", args={"attempt": 2}, retry=LATER),
            "join": call("noop", needs=["ask", "other"]),
        },
        deadline="1h",
    )
    work(run_id)
    expire(run_id)
    gate.touch()

    requeue(DeadLetter.objects.get(run_id=run_id, step="ask"))
    assert deadline_letter(run_id).state == "requeued"
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert set(states(run_id).values()) == {"succeeded"}
    assert set(DeadLetter.objects.filter(run_id=run_id).values_list("trial", flat=True)) == {"succeeded"}


def test_step_that_was_under_way_at_the_deadline_comes_back_as_a_lost_attempt(ledger: Ledger) -> None:
    run_id = begin({"act": call("effect", args={"ledger": str(ledger.path)})}, deadline="1h")
    store.claim(refs=claimable(run_id), owner="busy", lease_s=60)
    expire(run_id)

    requeue(deadline_letter(run_id))
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert [attempt.kind for attempt in Attempt.objects.filter(run_id=run_id)] == ["lost"]
    assert [entry.attempt for entry in ledger.entries("effect")] == [2]
    assert "step.lost" in trail(run_id)


def test_effect_that_may_have_happened_and_cannot_be_repeated_is_left_to_a_person() -> None:
    inputs = {"method": "POST", "path": "/", "idempotency": "none"}
    assert not registry.get_adapter("http.request").is_repeatable(inputs=inputs)
    run_id = begin({"act": {"uses": "http.request", "connection": "nowhere", "with": inputs}}, deadline="1h")
    store.claim(refs=claimable(run_id), owner="busy", lease_s=60)
    expire(run_id)

    requeue(deadline_letter(run_id))
    work(run_id, is_patient=False)

    letter = DeadLetter.objects.get(run_id=run_id, step="act")
    assert (letter.kind, letter.state, Run.objects.get(id=run_id).state) == ("lost", "open", "failed")


def test_items_go_on_after_the_deadline_each_once(gate: Path, ledger: Ledger) -> None:
    run_id = begin(
        {
            "ask": call(
                "fail_unless",
                for_each=list(range(8)),
                parallel=2,
                args={"path": str(gate), "ledger": str(ledger.path)},
                retry=LATER,
            ),
            "behind": call("noop", needs="ask"),
        },
        deadline="1h",
    )
    work(run_id)
    assert set(Item.objects.filter(run_id=run_id).values_list("state", flat=True)) == {"waiting"}
    expire(run_id)
    gate.touch()

    requeue(deadline_letter(run_id))
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert set(Item.objects.filter(run_id=run_id).values_list("state", flat=True)) == {"succeeded"}
    assert len(ledger.entries("begin")) == 16  # once before the deadline, once after it
    assert not Activation.objects.filter(run_id=run_id).exists()


def test_items_nobody_had_taken_at_the_deadline_are_done_once(ledger: Ledger) -> None:
    run_id = begin(
        {"act": call("effect", for_each=list(range(30)), parallel=3, args={"ledger": str(ledger.path)})},
        deadline="1h",
    )
    claim = open_items(run_id)
    taken = store.take_items(
        run_id=run_id, step="act", hold={"id": claim.id, "epoch": claim.epoch}, limit=4, parallel=3
    )
    assert taken
    expire(run_id)

    requeue(deadline_letter(run_id))
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert len(ledger.effects_by_key()) == 30
    assert set(ledger.effects_by_key().values()) == {1}
    assert [attempt.index for attempt in Attempt.objects.filter(run_id=run_id, kind="lost")] == [taken[0].index]


def test_run_somebody_cancelled_stays_cancelled() -> None:
    run_id = begin({"act": call("noop")}, deadline="1h")
    expire(run_id)
    Run.objects.filter(id=run_id).update(state="cancelled")

    outcome = operations.requeue_matching(Selection(run=run_id), actor=TESTER, now=timezone.now())

    assert dict(outcome.skipped) == {"run_cancelled": 1}


def test_deadline_that_passes_again_raises_the_same_incident(gate: Path) -> None:
    run_id = begin({"ask": call("fail_unless", args={"path": str(gate)}, retry=LATER)}, deadline="1h")
    work(run_id)
    expire(run_id)
    requeue(deadline_letter(run_id))
    work(run_id)
    expire(run_id)

    first, second = DeadLetter.objects.filter(run_id=run_id).order_by("id")
    assert (first.fingerprint, first.trial) == (second.fingerprint, "failed")
    assert (second.state, second.trial) == ("open", "")
