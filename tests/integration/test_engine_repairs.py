"""Dead letters brought back or given up: the run goes on where it failed, and what is done is not done again."""

from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, begin, call, claimable, states, trail, work
from tests.flows.ledger import Ledger
from workflows import operations
from workflows.errors import DeadLetterResolved, RunEnded, UnknownDeadLetter
from workflows.execution import shift
from workflows.models import Activation, DeadLetter, Run, Step

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """This will be the file that steps need to succeed; it does not exist yet."""
    return tmp_path / "gate"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


def letters(run_id: UUID) -> list[DeadLetter]:
    """This will give a run's dead letters, earliest first."""
    return list(DeadLetter.objects.filter(run_id=run_id).order_by("id"))


def requeue(letter: DeadLetter) -> DeadLetter:
    """This will try a dead letter again."""
    return operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())


def test_requeued_step_goes_on_with_its_run_and_its_old_key(gate: Path, ledger: Ledger) -> None:
    run_id = begin(
        {
            "before": call("effect", args={"ledger": str(ledger.path)}),
            "ask": call(
                "fail_unless", needs="before", args={"path": str(gate), "ledger": str(ledger.path)}, retry=AT_ONCE
            ),
            "behind": call("effect", needs="ask", args={"ledger": str(ledger.path)}),
        },
        output="${{ steps.ask.output }}",
    )
    work(run_id, is_patient=False)
    gate.touch()

    (letter,) = letters(run_id)
    resolved = requeue(letter)
    assert Run.objects.get(id=run_id).state == "running"
    work(run_id, is_patient=False)

    run = Run.objects.get(id=run_id)
    assert (run.state, run.error, run.round) == ("succeeded", None, 1)
    assert states(run_id) == {"before": "succeeded", "ask": "succeeded", "behind": "succeeded"}
    assert (resolved.state, resolved.resolved_by) == ("requeued", str(TESTER))
    assert len({entry.key for entry in ledger.entries("begin", step="ask")}) == 1
    assert [entry.step for entry in ledger.entries("effect")] == ["before", "behind"]
    assert Step.objects.get(run_id=run_id, step="ask").attempts == 1
    assert trail(run_id)[-5:] == [
        "dead_letter.requeued",
        "run.requeued",
        "step.succeeded",
        "step.succeeded",
        "run.succeeded",
    ]


def test_requeued_step_that_fails_again_has_fresh_attempts_and_a_new_dead_letter(gate: Path) -> None:
    run_id = begin({"ask": call("fail_unless", args={"path": str(gate)}, retry=AT_ONCE), "behind": call("noop")})
    work(run_id, is_patient=False)

    requeue(letters(run_id)[0])
    work(run_id, is_patient=False)

    first, second = letters(run_id)
    assert (first.state, second.state, second.attempts) == ("requeued", "open", 3)
    assert (Run.objects.get(id=run_id).state, Run.objects.get(id=run_id).round) == ("failed", 1)
    assert not Activation.objects.filter(run_id=run_id).exists()


def test_requeue_keeps_what_ran_because_of_the_failure(gate: Path, ledger: Ledger) -> None:
    run_id = begin(
        {
            "ask": call("fail_unless", args={"path": str(gate)}, retry=AT_ONCE),
            "warn": call("effect", needs="ask", when="one_failed", args={"ledger": str(ledger.path)}),
            "go": call("effect", needs="ask", args={"ledger": str(ledger.path)}),
            "end": call("noop", needs=["warn", "go"], when="all_done"),
        }
    )
    work(run_id, is_patient=False)
    assert states(run_id) == {"ask": "failed", "warn": "succeeded", "go": "upstream_failed", "end": "succeeded"}
    gate.touch()

    requeue(letters(run_id)[0])
    work(run_id, is_patient=False)

    assert set(states(run_id).values()) == {"succeeded"}
    assert sorted(entry.step for entry in ledger.entries("effect")) == ["go", "warn"]
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_run_succeeds_when_two_failed_branches_were_requeued_one_after_the_other(gate: Path) -> None:
    ask = call("fail_unless", args={"path": str(gate)}, retry={"attempts": 1})
    run_id = begin({"a": ask, "b": ask, "join": call("noop", needs=["a", "b"])})
    work(run_id)
    gate.touch()
    first, second = letters(run_id)

    requeue(first)
    work(run_id)
    assert Run.objects.get(id=run_id).state == "failed"
    requeue(second)
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert states(run_id) == {"a": "succeeded", "b": "succeeded", "join": "succeeded"}


def test_requeue_while_a_step_behind_is_running_does_not_run_that_step_a_second_time(
    gate: Path, ledger: Ledger
) -> None:
    """`report` runs because `ask` has failed, on another worker, when `ask` is requeued and succeeds."""
    run_id = begin(
        {
            "ask": call("fail_unless", args={"path": str(gate)}, retry={"attempts": 1}),
            "go": call("noop", needs="ask"),
            "report": call(
                "fail_unless",
                needs="go",
                when="all_done",
                args={"path": str(gate), "ledger": str(ledger.path)},
                retry={"attempts": 2, "first": "60s", "cap": "60s", "jitter": "none"},
            ),
        }
    )
    work(run_id)
    assert Activation.objects.get(run_id=run_id).wait_reason == "retry"
    gate.touch()

    requeue(letters(run_id)[0])
    shift.execute(claimable(run_id))
    assert states(run_id) == {"ask": "succeeded", "go": "succeeded"}
    work(run_id, is_patient=False)

    assert [entry.attempt for entry in ledger.entries("begin", step="report")] == [1, 2]
    assert states(run_id) == {"ask": "succeeded", "go": "succeeded", "report": "succeeded"}
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_dead_letter_is_resolved_once(gate: Path) -> None:
    run_id = begin({"ask": call("fail_unless", args={"path": str(gate)}, retry={"attempts": 1})})
    work(run_id)
    (letter,) = letters(run_id)
    requeue(letter)

    with pytest.raises(DeadLetterResolved):
        requeue(letter)

    assert Activation.objects.filter(run_id=run_id).count() == 1
    assert trail(run_id).count("run.requeued") == 1


def test_discarded_dead_letter_leaves_its_run_failed(gate: Path) -> None:
    run_id = begin({"ask": call("fail_unless", args={"path": str(gate)}, retry={"attempts": 1})})
    work(run_id)

    letter = operations.discard_dead_letter(
        dead_letter_id=letters(run_id)[0].id, actor=TESTER, now=timezone.now(), reason="paid by hand"
    )

    assert letter.state == "discarded"
    assert Run.objects.get(id=run_id).state == "failed"
    assert trail(run_id)[-1] == "dead_letter.discarded"
    with pytest.raises(DeadLetterResolved):
        requeue(letter)


def test_dead_letter_of_a_cancelled_run_is_not_requeued(gate: Path) -> None:
    run_id = begin(
        {
            "ask": call("fail_unless", args={"path": str(gate)}, retry={"attempts": 1}),
            "other": call("fail_until", args={"attempt": 2}, retry={"first": "60s", "cap": "60s", "jitter": "none"}),
        }
    )
    work(run_id)
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    with pytest.raises(RunEnded):
        requeue(letters(run_id)[0])

    assert letters(run_id)[0].state == "open"


def test_unknown_dead_letter_is_refused() -> None:
    with pytest.raises(UnknownDeadLetter):
        operations.requeue_dead_letter(dead_letter_id=2**60, actor=TESTER, now=timezone.now())
