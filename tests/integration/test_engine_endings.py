"""Runs ended from outside: by somebody's word, or by their deadline; results that come later change nothing."""

import contextlib
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from tests.flows.driving import TESTER, aside, begin, call, claimable, states, trail, trail_of, work
from tests.support.waiting import wait_until
from workflows import operations, store
from workflows.dispatch import sweeps
from workflows.errors import RunEnded, UnknownRun
from workflows.execution import shift
from workflows.models import Activation, Item, Run, Step

pytestmark = pytest.mark.usefixtures("database")


def test_cancelled_run_stops_what_is_under_way_and_says_who_wished_it() -> None:
    run_id = begin({"first": call("noop"), "second": call("noop", needs="first")})

    run = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="not wanted any more")

    assert (run.state, run.error) == (
        "cancelled",
        {"kind": "cancelled", "message": "not wanted any more", "step": None},
    )
    assert states(run_id) == {"first": "cancelled"}
    assert not Activation.objects.filter(run_id=run_id).exists()
    assert trail(run_id) == ["run.started", "run.cancelled"]
    assert trail_of(run_id, "run.cancelled")[0]["stopped_steps"] == ["first"]


def test_cancelling_twice_changes_nothing_the_second_time() -> None:
    run_id = begin({"only": call("noop")})
    first = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    second = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    assert (second.state, second.ended_at) == ("cancelled", first.ended_at)
    assert trail(run_id).count("run.cancelled") == 1


def test_run_that_has_ended_is_not_cancelled() -> None:
    run_id = begin({"only": call("noop")})
    work(run_id)

    with pytest.raises(RunEnded):
        operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    with pytest.raises(UnknownRun):
        operations.cancel_run(run_id=uuid4(), actor=TESTER, now=timezone.now())


def test_result_of_a_step_is_discarded_and_audited_when_its_run_was_cancelled_meanwhile(tmp_path: Path) -> None:
    gate, ledger = tmp_path / "gate", tmp_path / "ledger"
    run_id = begin(
        {
            "slow": call("effect", args={"ledger": str(ledger), "gate": str(gate)}),
            "behind": call("noop", needs="slow"),
        }
    )
    worker = aside(lambda: work(run_id))
    wait_until(ledger.exists, what="the step has begun")

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    gate.touch()
    worker.join(timeout=120)

    assert Run.objects.get(id=run_id).state == "cancelled"
    assert states(run_id) == {"slow": "cancelled"}
    assert trail(run_id) == ["run.started", "run.cancelled", "step.discarded"]
    assert trail_of(run_id, "step.discarded") == [{"attempt": 1, "state": "succeeded", "step": "slow"}]


def test_cancel_ends_the_items_that_have_not_ended() -> None:
    run_id = begin(
        {"map": call("fail_until", for_each=[1, 2, 3], args={"attempt": 2}, retry={"first": "60s", "cap": "60s"})}
    )
    work(run_id)

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    assert set(Item.objects.filter(run_id=run_id).values_list("state", "due_at")) == {("cancelled", None)}


def test_runs_are_cancelled_at_any_moment_of_their_progress_without_an_error() -> None:
    """A cancel and the end of a step meet; whoever is first, the run ends once, in one way."""
    steps = {
        f"s{number}": {"uses": "set", "with": {}, **({"needs": f"s{number - 1}"} if number else {})}
        for number in range(10)
    }
    ids = [begin(steps) for _ in range(30)]
    workers = [aside(partial(work, run_id)) for run_id in ids]

    cancelled = 0
    for run_id in ids:
        try:
            operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
        except RunEnded:
            continue
        cancelled += 1
    for worker in workers:
        worker.join(timeout=120)

    ended = Run.objects.filter(id__in=ids)
    assert ended.filter(state="cancelled").count() == cancelled
    assert ended.filter(state="succeeded").count() == len(ids) - cancelled
    assert not Activation.objects.filter(run_id__in=ids).exists()
    for run_id in ids:
        assert len([kind for kind in trail(run_id) if kind in ("run.cancelled", "run.succeeded")]) == 1


def test_cancel_waits_for_a_step_that_is_just_being_committed() -> None:
    run_id = begin({"first": call("noop"), "second": call("noop", needs="first")})
    (claim,) = store.claim(refs=claimable(run_id), owner="worker", lease_s=60)
    move: store.AdvanceRow = {"id": claim.id, "epoch": claim.epoch, "position": 1}
    at = timezone.now().isoformat()
    step: store.StepRow = {
        "id": claim.id,
        "step": "first",
        "state": "succeeded",
        "output": None,
        "error": None,
        "attempts": 1,
        "started_at": at,
        "ended_at": at,
    }

    with transaction.atomic():
        store.advance(moves=[move], steps=[step], events=[])
        cancelling = aside(lambda: operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="now"))
        cancelling.join(timeout=0.5)
    cancelling.join(timeout=120)

    assert Run.objects.get(id=run_id).state == "cancelled"
    assert states(run_id) == {"first": "succeeded", "second": "cancelled"}


def test_cancel_lets_a_run_end_that_is_just_being_ended() -> None:
    """The worker has deleted the activation and comes to the run's row, which the cancel holds."""
    run_id = begin({"only": call("noop")})

    with transaction.atomic():
        Activation.objects.filter(run_id=run_id).delete()
        cancelling = aside(lambda: _cancel_unless_ended(run_id))
        cancelling.join(timeout=0.3)
        Run.objects.filter(id=run_id).update(state="succeeded", ended_at=timezone.now())
    cancelling.join(timeout=120)

    assert not cancelling.is_alive()
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert states(run_id) == {}


def test_sweep_fails_a_run_whose_deadline_has_passed() -> None:
    run_id = begin({"first": call("noop"), "second": call("noop", needs="first")}, deadline="1h")
    now = timezone.now()
    assert sweeps.sweep(now=now + timedelta(minutes=59)) == 0

    sweeps.sweep(now=now + timedelta(minutes=61))

    run = Run.objects.get(id=run_id)
    assert run.error is not None
    assert (run.state, run.error["kind"]) == ("failed", "deadline")
    assert states(run_id) == {"first": "cancelled"}
    assert trail(run_id) == ["run.started", "run.failed", "dead_letter.created"]
    sweeps.sweep(now=now + timedelta(minutes=62))
    assert trail(run_id) == ["run.started", "run.failed", "dead_letter.created"]


def test_step_gets_no_more_time_than_its_run_has_left() -> None:
    run_id = begin({"slow": call("sleep", args={"seconds": 30}, retry={"attempts": 1})}, deadline="1h")
    Run.objects.filter(id=run_id).update(deadline_at=timezone.now() + timedelta(seconds=0.2))

    shift.execute(claimable(run_id))

    error = Step.objects.get(run_id=run_id).error
    assert error is not None
    assert error["kind"] == "timeout"


def _cancel_unless_ended(run_id: UUID) -> None:
    with contextlib.suppress(RunEnded):
        operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
