"""Steps a worker has in hand when their run is ending: told, given time, then taken away; `return` lets them end."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import TESTER, aside, begin, call, claimable, finish, lose, states, trail, trail_of, work
from tests.flows.ledger import Ledger
from tests.support.waiting import wait_until
from workflows import operations, plans
from workflows.core.states import Notice
from workflows.errors import RunEnded
from workflows.execution import shift
from workflows.models import Activation, Attempt, DeadLetter, Item, Run, Step

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


def in_hand(ledger: Ledger, **more: object) -> dict[str, object]:
    """This will be a step that goes on until the test opens its gate."""
    gate = str(ledger.path.with_name("gate"))
    return call("effect", args={"ledger": str(ledger.path), "gate": gate}, **more)


def open_gate(ledger: Ledger) -> None:
    """This will let such steps end."""
    ledger.path.with_name("gate").touch()


def cancel(run_id: UUID, **more: object) -> Run:
    """This will cancel a run."""
    return operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), **more)  # type: ignore[arg-type]  # by name


def test_step_that_ends_within_the_grace_counts_as_done_and_nothing_follows_it(ledger: Ledger) -> None:
    mark = call("mark", args={"value": 1, "ledger": str(ledger.path)})
    run_id = begin(
        {
            "slow": in_hand(ledger, undo=mark),
            "behind": call("noop", needs="slow"),
            "beside": call("fail_until", args={"attempt": 9}, retry={"first": "60s"}),
        },
        cancel={"grace": "1h"},
    )
    slow = [ref for ref in claimable(run_id) if ref.segment == _segment(run_id, "slow")]
    worker = aside(lambda: shift.execute(slow))
    wait_until(lambda: bool(ledger.entries("begin")), what="the slow step has begun")
    beside = aside(lambda: work(run_id))
    wait_until(lambda: Activation.objects.filter(run_id=run_id, state="waiting").exists(), what="the other one waits")
    beside.join(timeout=120)

    run = cancel(run_id, reason="no")
    assert (run.state, run.ending) == ("running", "cancelled")
    assert run.deadline_at is not None
    assert states(run_id) == {"beside": "cancelled"}
    open_gate(ledger)
    worker.join(timeout=120)
    work(run_id)

    run.refresh_from_db()
    assert run.state == "cancelled"
    assert states(run_id) == {"slow": "succeeded", "beside": "cancelled", "slow:undo": "succeeded"}
    assert [entry.step for entry in ledger.entries("effect")] == ["slow", "slow:undo"]
    assert trail_of(run_id, "run.ending")[0]["going_steps"] == ["slow"]


def test_step_that_fails_within_the_grace_is_cancelled_and_leaves_no_dead_letter(ledger: Ledger) -> None:
    late = {"ledger": str(ledger.path), "gate": str(ledger.path.with_name("gate")), "fails_late": True}
    mark = call("mark", args={"value": 1, "ledger": str(ledger.path)})
    run_id = begin({"slow": call("effect", args=late, undo=mark, undo_when="attempted")})
    worker = aside(lambda: shift.execute(claimable(run_id)))
    wait_until(lambda: bool(ledger.entries("begin")), what="the step has begun")

    cancel(run_id, grace_s=60)
    open_gate(ledger)
    worker.join(timeout=120)
    work(run_id)

    assert Run.objects.get(id=run_id).state == "cancelled"
    step = Step.objects.get(run_id=run_id, step="slow")
    assert (step.state, step.error and step.error["kind"]) == ("cancelled", "unavailable")
    assert not DeadLetter.objects.filter(run_id=run_id).exists()
    assert [entry.step for entry in ledger.entries("effect")] == ["slow", "slow:undo"]


def test_what_has_not_ended_when_the_grace_is_over_is_taken_away(ledger: Ledger) -> None:
    run_id = begin({"slow": in_hand(ledger)}, **{"finally": {"tidy": call("noop")}})
    worker = aside(lambda: shift.execute(claimable(run_id)))
    wait_until(lambda: bool(ledger.entries("begin")), what="the step has begun")
    cancel(run_id, grace_s=5)

    assert not operations.expire_run(run_id=run_id, now=timezone.now())
    assert operations.expire_run(run_id=run_id, now=timezone.now() + timedelta(seconds=6))
    assert states(run_id) == {"slow": "cancelled"}
    open_gate(ledger)
    worker.join(timeout=120)
    work(run_id)

    assert Run.objects.get(id=run_id).state == "cancelled"
    assert states(run_id)["tidy"] == "succeeded"
    assert "step.discarded" in trail(run_id)


def test_function_is_told_to_stop_and_its_worker_goes_on(ledger: Ledger) -> None:
    run_id = begin({"deaf": call("work_until_told", args={"ledger": str(ledger.path)})})
    worker = aside(lambda: shift.execute(claimable(run_id)))
    wait_until(lambda: bool(ledger.entries("begin")), what="the step has begun")

    cancel(run_id, grace_s=60)
    worker.join(timeout=120)

    assert [entry.event for entry in ledger.entries()] == ["begin", "told"]
    assert Run.objects.get(id=run_id).state == "cancelled"
    error = Step.objects.get(run_id=run_id).error
    assert error is not None
    assert error["message"].startswith("it was told to stop")


def test_coroutine_is_cancelled(ledger: Ledger) -> None:
    run_id = begin({"deaf": call("wait_until_told", args={"ledger": str(ledger.path)})})

    def cancel_when_it_has_begun() -> None:
        wait_until(lambda: bool(ledger.entries("begin")), what="the step has begun")
        cancel(run_id, grace_s=60)

    other = aside(cancel_when_it_has_begun)
    shift.execute(claimable(run_id))
    other.join(timeout=120)

    assert [entry.event for entry in ledger.entries()] == ["begin", "told"]
    assert states(run_id) == {"deaf": "cancelled"}
    assert Run.objects.get(id=run_id).state == "cancelled"


def test_force_ends_at_once_what_a_cancel_had_given_time(ledger: Ledger) -> None:
    mark = call("mark", args={"value": 1, "ledger": str(ledger.path)})
    run_id = begin({"first": call("noop", undo=mark), "slow": in_hand(ledger, needs="first")})
    worker = aside(lambda: shift.execute(claimable(run_id)))
    wait_until(lambda: bool(ledger.entries("begin")), what="the step has begun")
    cancel(run_id, grace_s=60, reason="no")

    run = cancel(run_id, is_forced=True, reason="now")
    open_gate(ledger)
    worker.join(timeout=120)

    assert run.state == "cancelled"
    assert run.error is not None
    assert (run.error["message"], run.error["not_undone"]) == ("no; not undone: first", ["first"])
    assert not Activation.objects.filter(run_id=run_id).exists()
    assert cancel(run_id, is_forced=True).ended_at == run.ended_at
    assert trail(run_id).count("run.cancelled") == 1


def test_run_that_tidies_up_after_a_failure_is_only_cancelled_by_force() -> None:
    run_id = begin(
        {"fail": call("fail_on", args={"value": 1, "bad": 1})},
        **{"finally": {"tidy": call("fail_until", args={"attempt": 9}, retry={"first": "60s"})}},
    )
    work(run_id)

    with pytest.raises(RunEnded, match="ending as failed"):
        cancel(run_id)
    run = cancel(run_id, is_forced=True)

    assert run.error is not None
    assert (run.state, run.error["step"]) == ("failed", "fail")
    assert run.error["message"].endswith("failed at the end: tidy")


def test_worker_that_dies_in_the_grace_leaves_nothing_waiting(ledger: Ledger) -> None:
    run_id = begin({"slow": in_hand(ledger), "behind": call("noop", needs="slow")})
    worker = aside(lambda: shift.execute(claimable(run_id)))
    wait_until(lambda: bool(ledger.entries("begin")), what="the step has begun")
    cancel(run_id, grace_s=3600)

    lose(run_id)
    work(run_id)
    open_gate(ledger)
    worker.join(timeout=120)

    assert Run.objects.get(id=run_id).state == "cancelled"
    error = Step.objects.get(run_id=run_id).error
    assert error is not None
    assert error["kind"] == "lost"
    assert len(ledger.entries("begin")) == 1


def test_items_in_hand_end_in_the_grace_and_the_others_are_cancelled(ledger: Ledger) -> None:
    mark = call("mark", args={"value": "${{ item }}", "ledger": str(ledger.path)})
    gate = str(ledger.path.with_name("gate"))
    act = call("effect", for_each=list(range(20)), args={"ledger": str(ledger.path), "gate": gate}, undo=mark)
    run_id = begin({"map": act})
    worker = aside(lambda: shift.execute(claimable(run_id)))
    wait_until(lambda: bool(ledger.entries("begin")), what="an item has begun")

    cancel(run_id, grace_s=3600)
    open_gate(ledger)
    worker.join(timeout=120)
    work(run_id)

    assert Run.objects.get(id=run_id).state == "cancelled"
    assert states(run_id) == {"map": "cancelled", "map:undo": "succeeded"}
    done = Item.objects.filter(run_id=run_id, step="map", state="succeeded").count()
    undone = Item.objects.filter(run_id=run_id, step="map:undo", state="succeeded").count()
    assert 1 <= done == undone < 20
    assert Item.objects.filter(run_id=run_id, step="map", state="cancelled").count() == 20 - done


def test_return_ends_the_run_with_its_output_and_skips_what_has_not_begun() -> None:
    run = finish(
        {
            "look": call("echo", args={"value": 3}),
            "enough": {"needs": "look", "uses": "return", "with": {"found": "${{ steps.look.output }}"}},
            "behind": call("noop", needs="enough"),
            "far": call("noop", needs="behind", queue="io"),
        },
        output={"never": "looked at"},
    )

    assert (run.state, run.output, run.error) == ("succeeded", {"found": 3}, None)
    assert states(run.id) == {"look": "succeeded", "enough": "succeeded", "behind": "skipped", "far": "skipped"}
    assert trail(run.id).count("step.skipped") == 2
    assert trail(run.id)[-1] == "run.succeeded"


def test_return_lets_steps_in_hand_end_and_stops_those_between_attempts(ledger: Ledger) -> None:
    run_id = begin(
        {
            "slow": in_hand(ledger),
            "behind": call("noop", needs="slow"),
            "again": call("fail_until", args={"attempt": 9}, retry={"first": "60s"}),
            "gate": call("fail_until", args={"attempt": 2}, retry={"first": "30s", "jitter": "none"}),
            "enough": {"needs": "gate", "uses": "return", "with": {"value": 1}},
        },
        **{"finally": {"tidy": call("noop")}},
    )
    worker = aside(lambda: shift.execute([ref for ref in claimable(run_id) if ref.segment == _segment(run_id, "slow")]))
    wait_until(lambda: bool(ledger.entries("begin")), what="the slow step has begun")
    work(run_id)
    Activation.objects.filter(run_id=run_id, segment=_segment(run_id, "gate")).update(due_at=timezone.now())
    work(run_id)

    run = Run.objects.get(id=run_id)
    assert (run.state, run.ending, run.output) == ("running", "succeeded", {"value": 1})
    assert Activation.objects.get(run_id=run_id).notice == Notice.LAST
    open_gate(ledger)
    worker.join(timeout=120)
    work(run_id)

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert states(run_id) == {
        "slow": "succeeded",
        "behind": "skipped",
        "again": "cancelled",
        "gate": "succeeded",
        "enough": "succeeded",
        "tidy": "succeeded",
    }
    assert Attempt.objects.filter(run_id=run_id).count() == 2


def test_return_that_is_skipped_lets_the_run_go_on() -> None:
    run = finish(
        {
            "never": {"uses": "return", "if": "false", "with": {"a": 1}},
            "behind": call("echo", needs="never", when="all_done", args={"value": 2}),
        },
        output="${{ steps.behind.output }}",
    )

    assert (run.state, run.output) == ("succeeded", 2)


def _segment(run_id: UUID, step: str) -> int:
    run = Run.objects.get(id=run_id)
    return plans.program_of(run.version_id).plan.place_of[step][0]
