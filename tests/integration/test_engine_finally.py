"""`finally` runs once at the end of a run, however it ends, and never hides what went wrong before."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, begin, call, finish, states, trail, work
from tests.flows.ledger import Ledger
from workflows import operations
from workflows.models import Activation, DeadLetter, Run, Step

pytestmark = pytest.mark.usefixtures("database")
_REFUSED = call("fail_on", args={"value": 1, "bad": 1})
_TELL = {
    "tell": {
        "uses": "set",
        "with": {
            "ending": "${{ run.ending }}",
            "error": "${{ run.error }}",
            "main": "${{ steps.main.state }}",
            "behind": "${{ steps.behind.output }}",
        },
    }
}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


def told(run: Run) -> object:
    """This will give what the `finally` step was told."""
    return Step.objects.get(run_id=run.id, step="tell").output


def test_finally_runs_after_a_success_and_the_output_stays() -> None:
    run = finish(
        {"main": call("echo", args={"value": 7}), "behind": call("noop", needs="main")},
        **{"finally": _TELL, "output": {"answer": "${{ steps.main.output }}"}},
    )

    assert (run.state, run.output, run.error) == ("succeeded", {"answer": 7}, None)
    assert told(run) == {"ending": "succeeded", "error": None, "main": "succeeded", "behind": None}
    assert trail(run.id)[-3:] == ["run.ending", "step.succeeded", "run.succeeded"]


def test_finally_runs_after_a_failure_and_sees_it() -> None:
    run = finish({"main": _REFUSED, "behind": call("noop", needs="main")}, **{"finally": _TELL})

    assert run.state == "failed"
    seen = told(run)
    assert isinstance(seen, dict)
    assert (seen["ending"], seen["main"], seen["error"]["step"]) == ("failed", "failed", "main")


def test_finally_runs_after_a_cancel() -> None:
    run_id = begin(
        {"main": call("noop"), "behind": call("fail_until", needs="main", args={"attempt": 9}, retry={"first": "60s"})},
        **{"finally": _TELL},
    )
    work(run_id)

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    work(run_id)

    run = Run.objects.get(id=run_id)
    assert run.state == "cancelled"
    assert states(run_id) == {"main": "succeeded", "behind": "cancelled", "tell": "succeeded"}
    seen = told(run)
    assert isinstance(seen, dict)
    assert seen["ending"] == "cancelled"


def test_finally_has_its_own_time_after_a_deadline_has_passed() -> None:
    run_id = begin(
        {"main": call("fail_until", args={"attempt": 9}, retry={"first": "60s"}), "behind": call("noop")},
        **{"finally": _TELL, "deadline": "1h"},
    )
    work(run_id)
    assert operations.expire_run(run_id=run_id, now=timezone.now() + timedelta(hours=2))

    assert not operations.expire_run(run_id=run_id, now=timezone.now() + timedelta(hours=9))
    work(run_id)

    run = Run.objects.get(id=run_id)
    assert run.error is not None
    assert (run.state, run.error["kind"]) == ("failed", "deadline")
    assert states(run_id)["tell"] == "succeeded"


def test_failed_finally_makes_a_dead_letter_fails_the_run_and_is_mended_by_its_requeue(tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    tidy = call("fail_unless", args={"path": str(mended)}, retry=AT_ONCE)
    run = finish({"main": call("noop")}, **{"finally": {"tidy": tidy, "behind": call("noop", needs="tidy")}})

    assert run.error is not None
    assert (run.state, run.error["kind"], run.error["step"]) == ("failed", "finally", "tidy")
    assert states(run.id) == {"main": "succeeded", "tidy": "failed", "behind": "upstream_failed"}
    letter = DeadLetter.objects.get(run_id=run.id)

    mended.touch()
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    work(run.id)

    run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", None)
    assert states(run.id) == {"main": "succeeded", "tidy": "succeeded", "behind": "succeeded"}
    letter.refresh_from_db()
    assert letter.trial == "succeeded"


def test_failed_finally_does_not_hide_the_first_error() -> None:
    bad = call("fail_on", args={"value": 2, "bad": 2})
    run = finish({"main": _REFUSED}, **{"finally": {"tidy": bad}})

    assert run.error is not None
    assert (run.error["step"], run.error["before"]["step"]) == ("main", "main")
    assert run.error["message"].endswith("; failed at the end: tidy")
    assert DeadLetter.objects.filter(run_id=run.id).count() == 2


def test_finally_comes_after_the_undo_and_its_steps_wait_for_each_other(ledger: Ledger) -> None:
    mark = call("mark", args={"value": 1, "ledger": str(ledger.path)})
    run = finish(
        {"main": call("noop", undo=mark), "fail": {**_REFUSED, "needs": "main"}},
        **{"finally": {"last": {**mark, "needs": ["one", "two"]}, "one": mark, "two": {**mark, "queue": "io"}}},
    )

    assert run.state == "failed"
    order = [entry.step for entry in ledger.entries("effect")]
    assert (order[0], order[-1], set(order)) == ("main:undo", "last", {"main:undo", "one", "two", "last"})
    assert max(ledger.effects_by_key().values()) == 1


def test_finally_does_not_run_again_when_a_failed_step_is_requeued(ledger: Ledger, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    mark = call("mark", args={"value": 1, "ledger": str(ledger.path)})
    run = finish(
        {"main": call("fail_unless", args={"path": str(mended)}, retry=AT_ONCE)}, **{"finally": {"tidy": mark}}
    )
    mended.touch()

    letter = DeadLetter.objects.get(run_id=run.id)
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    work(run.id)

    run.refresh_from_db()
    assert (run.state, run.error) == ("succeeded", None)
    assert len(ledger.entries("effect")) == 1


def test_run_that_has_not_begun_has_nothing_to_tidy_up() -> None:
    run_id = begin({"main": call("noop")}, **{"finally": {"tidy": call("noop")}})
    Activation.objects.filter(run_id=run_id).update(state="waiting", wait_reason="delayed")

    run = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    assert run.state == "cancelled"
    assert "tidy" not in states(run_id)
