"""Steps whose time runs from when they are ready: ended by a sweep, or by the worker that gets them too late."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import (
    TESTER,
    aside,
    begin,
    call,
    claimable,
    let_time_pass,
    lose,
    publish,
    start,
    states,
    trail,
    trail_of,
    work,
)
from tests.support import api
from tests.support.waiting import wait_until
from workflows import explaining, operations, store
from workflows.core.pausing import PauseScope
from workflows.execution import overruns
from workflows.models import Activation, Attempt, ChildRun, DeadLetter, Run, Step

pytestmark = pytest.mark.usefixtures("database")
HOURS_9, HOURS_11 = timedelta(hours=9), timedelta(hours=11)
START: Mapping[str, object] = {"schedule_to_start": "10h"}
CLOSE: Mapping[str, object] = {"schedule_to_close": "10h"}


def latest(run_id: UUID) -> tuple[datetime | None, datetime | None]:
    """This will give until when the run's only activation must have begun and ended."""
    row: tuple[datetime | None, datetime | None] = Activation.objects.values_list(
        "latest_start_at", "latest_end_at"
    ).get(run_id=run_id)
    return row


def test_step_that_no_worker_takes_fails_without_a_retry() -> None:
    run_id = begin({"late": call("noop", timeout=START), "behind": call("noop", needs="late")})
    now = timezone.now()

    overruns.sweep(now=now + HOURS_9)
    assert states(run_id) == {}
    overruns.sweep(now=now + HOURS_11)

    assert Run.objects.get(id=run_id).error == {
        "kind": "timeout",
        "message": "did not begin within its schedule_to_start of 36000 s",
        "step": "late",
    }
    assert states(run_id) == {"late": "failed", "behind": "upstream_failed"}
    row = Step.objects.get(run_id=run_id, step="late")
    assert (row.attempts, row.started_at) == (0, None)
    letter = DeadLetter.objects.get(run_id=run_id)
    assert (letter.step, letter.kind, letter.payload) == ("late", "timeout", {"call": "flows.noop", "args": {}})
    assert trail(run_id) == [
        "run.started",
        "step.failed",
        "dead_letter.created",
        "step.upstream_failed",
        "run.failed",
    ]
    assert trail_of(run_id, "step.failed") == [{"step": "late", "attempt": 1, "failure": "timeout"}]


def test_what_follows_a_step_that_was_ended_without_a_worker_is_left_to_the_workers() -> None:
    run_id = begin(
        {
            "late": call("noop", timeout=START),
            "mend": {
                "uses": "set",
                "needs": "late",
                "when": "all_failed",
                "with": {"state": "${{ steps.late.state }}"},
            },
        }
    )
    overruns.sweep(now=timezone.now() + HOURS_11)

    assert len(claimable(run_id)) == 1
    work(run_id)

    assert states(run_id) == {"late": "failed", "mend": "succeeded"}
    assert Step.objects.get(run_id=run_id, step="mend").output == {"state": "failed"}


def test_step_that_has_begun_is_never_too_late_to_begin() -> None:
    retry = {"attempts": 3, "first": "60s", "jitter": "none"}
    run_id = begin({"tried": call("fail_until", args={"attempt": 2}, timeout=START, retry=retry)})
    work(run_id)

    overruns.sweep(now=timezone.now() + HOURS_11)
    Activation.objects.filter(run_id=run_id).update(latest_start_at=timezone.now() - HOURS_9)
    let_time_pass(run_id)
    work(run_id)

    assert states(run_id) == {"tried": "succeeded"}


def test_step_is_ended_between_its_attempts_when_its_time_is_over() -> None:
    retry = {"attempts": 3, "first": "60s", "jitter": "none"}
    run_id = begin({"tried": call("fail_until", args={"attempt": 9}, timeout=CLOSE, retry=retry)})
    work(run_id)

    overruns.sweep(now=timezone.now() + HOURS_11)

    kinds = Attempt.objects.filter(run_id=run_id).order_by("id").values_list("attempt", "kind")
    assert list(kinds) == [(1, "unavailable"), (1, "timeout")]
    error = Run.objects.get(id=run_id).error
    assert isinstance(error, dict)
    assert error["message"] == "did not end within its schedule_to_close of 36000 s"
    assert Step.objects.get(run_id=run_id).attempts == 1


def test_no_attempt_is_booked_that_would_begin_after_the_end() -> None:
    retry = {"attempts": 9, "first": "5h", "cap": "20h", "jitter": "none", "budget": None, "factor": 10}
    run_id = begin({"tried": call("fail_until", args={"attempt": 9}, timeout=CLOSE, retry=retry)})
    work(run_id)
    assert states(run_id) == {}
    let_time_pass(run_id)

    work(run_id)

    assert states(run_id) == {"tried": "failed"}
    assert Step.objects.get(run_id=run_id).attempts == 2


def test_attempt_is_cut_off_where_the_time_of_its_step_ends() -> None:
    run_id = begin(
        {"slow": call("effect", args={"ledger": "/dev/null", "seconds": 30}, timeout={"schedule_to_close": 1})}
    )

    work(run_id)

    assert states(run_id) == {"slow": "failed"}
    assert Attempt.objects.get(run_id=run_id).kind == "timeout"


def test_step_in_the_hands_of_a_worker_that_does_not_end_it_is_taken_away(tmp_path: Path) -> None:
    gate, ledger = tmp_path / "gate", tmp_path / "ledger"
    timeout = {"schedule_to_close": "10h", "start_to_close": "20h"}
    run_id = begin({"hung": call("effect", args={"ledger": str(ledger), "gate": str(gate)}, timeout=timeout)})
    worker = aside(lambda: work(run_id))
    wait_until(ledger.exists, what="the step has begun")

    overruns.sweep(now=timezone.now() + HOURS_11)
    gate.touch()
    worker.join(timeout=120)

    assert Run.objects.get(id=run_id).state == "failed"
    assert states(run_id) == {"hung": "failed"}
    assert trail(run_id)[-2:] == ["run.failed", "step.discarded"]


def test_lost_step_whose_time_is_over_is_not_tried_again() -> None:
    run_id = begin({"lost": call("noop", timeout=CLOSE)})
    store.claim(refs=claimable(run_id), owner="gone:1", lease_s=60)
    lose(run_id)
    Activation.objects.filter(run_id=run_id).update(latest_end_at=timezone.now())

    work(run_id)

    assert states(run_id) == {"lost": "failed"}
    assert Attempt.objects.get(run_id=run_id).kind == "timeout"


def test_worker_that_gets_a_step_too_late_does_not_begin_it(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    run_id = begin({"late": call("effect", args={"ledger": str(ledger)}, timeout=START)})
    Activation.objects.filter(run_id=run_id).update(latest_start_at=timezone.now())

    work(run_id)

    assert states(run_id) == {"late": "failed"}
    assert not ledger.exists()


def test_time_stands_still_while_a_pause_keeps_a_step_from_beginning() -> None:
    run_id = begin({"held": call("noop", timeout={**START, "schedule_to_close": "20h"})})
    before = latest(run_id)
    now = timezone.now()
    wanted = operations.PauseWanted(scope=PauseScope.RUN, name=str(run_id), reason="a test")
    operations.pause(wanted, actor=TESTER, now=now)

    overruns.sweep(now=now + timedelta(hours=30))
    Activation.objects.filter(run_id=run_id).update(latest_start_at=now)
    work(run_id)
    assert states(run_id) == {}
    Activation.objects.filter(run_id=run_id).update(latest_start_at=before[0])
    operations.resume(scope=PauseScope.RUN, name=str(run_id), actor=TESTER, now=now + timedelta(hours=30))

    after = latest(run_id)
    assert [new - old for new, old in zip(after, before, strict=True) if new and old] == [timedelta(hours=30)] * 2
    work(run_id)
    assert states(run_id) == {"held": "succeeded"}


def test_waiting_step_is_ended_when_its_time_is_over_before_what_it_waits_for() -> None:
    run_id = begin({"rest": {"uses": "wait", "with": {"for": "3d"}, "timeout": CLOSE}})
    work(run_id)

    overruns.sweep(now=timezone.now() + HOURS_11)

    assert states(run_id) == {"rest": "failed"}
    assert Step.objects.get(run_id=run_id).started_at is not None


def test_time_begins_when_a_gate_lets_the_run_in() -> None:
    name = publish({"only": call("noop", timeout=START)}, concurrency={"limit": 1})
    first, second = start(name), start(name)
    assert latest(second) == (None, None)

    work(first)

    begins_at, ends_at = latest(second)
    assert begins_at is not None
    assert ends_at is None
    assert begins_at - timezone.now() > HOURS_9


def test_time_of_a_delayed_start_counts_from_that_start() -> None:
    name = publish({"only": call("noop", timeout={**START, **CLOSE})})
    begins_at, ends_at = latest(start(name, start_at=timezone.now() + timedelta(hours=5)))

    assert begins_at == ends_at
    assert begins_at is not None
    assert begins_at - timezone.now() > timedelta(hours=14)


def test_requeued_step_has_its_whole_time_again() -> None:
    run_id = begin({"late": call("noop", timeout=START)})
    overruns.sweep(now=timezone.now() + HOURS_11)

    operations.requeue_dead_letter(
        dead_letter_id=DeadLetter.objects.get(run_id=run_id).id, actor=TESTER, now=timezone.now()
    )
    begins_at, _ = latest(run_id)
    assert begins_at is not None
    assert begins_at - timezone.now() > HOURS_9
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"


def test_rounds_of_a_repeated_step_share_its_time() -> None:
    repeat = {"condition": "false", "times": 100, "every": "1h"}
    run_id = begin({"poll": call("noop", timeout={**START, **CLOSE}, repeat_until=repeat)})
    work(run_id)
    assert latest(run_id)[0] is None

    overruns.sweep(now=timezone.now() + HOURS_11)

    assert states(run_id) == {"poll": "failed"}


def test_surfaces_say_when_a_step_fails_by_itself() -> None:
    run_id = begin({"late": call("noop", timeout=START)})
    begins_at, _ = latest(run_id)
    assert begins_at is not None
    shown = f"{begins_at:%Y-%m-%dT%H:%M:%S}"
    client = api.client("runs:read")

    (wait,) = client.get(f"/api/v1/runs/{run_id}").json()["waits"]
    (reason,) = client.get(f"/api/v1/runs/{run_id}/why").json()["reasons"]
    (told,) = explaining.explain(Run.objects.get(id=run_id)).reasons

    assert wait["fails_at"].startswith(shown)
    assert reason["fails_at"].startswith(shown)
    assert told.ends_when.endswith("unless it has begun by then")


@pytest.mark.parametrize("is_swept", [True, False])
def test_what_a_waiting_step_has_started_ends_with_its_time(is_swept: bool) -> None:
    child = publish({"rest": {"uses": "wait", "with": {"for": "9d"}}})
    run_id = begin({"part": {"uses": "workflow", "with": {"name": child}, "timeout": CLOSE}})
    work(run_id)

    if is_swept:
        overruns.sweep(now=timezone.now() + HOURS_11)
    else:
        Activation.objects.filter(run_id=run_id).update(latest_end_at=timezone.now(), due_at=timezone.now())
        work(run_id)

    assert states(run_id) == {"part": "failed"}
    assert ChildRun.objects.get(parent_id=run_id).order == "wanted"
