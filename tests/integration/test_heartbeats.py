"""Signs of life of steps: kept, written, read by the next attempt, and missed when they do not come."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, aside, begin, call, claimable, states, trail, work
from tests.support import api
from tests.support.waiting import wait_until
from workflows import heartbeats, operations, store
from workflows.execution import silence
from workflows.heartbeats import Beat
from workflows.models import Activation, Attempt, Heartbeat, Run, Step

pytestmark = pytest.mark.usefixtures("database")


def given(run_id: UUID, *, epoch: int, progress: object = None, late_after_s: float | None = 60.0) -> Beat:
    """This will be a sign of life of the run's step under an epoch of its lease."""
    activation = Activation.objects.get(run_id=run_id).id
    return Beat(
        run_id=run_id,
        step="only",
        index=None,
        activation=activation,
        epoch=epoch,
        attempt=1,
        progress=progress,  # type: ignore[arg-type]  # JSON
        late_after_s=late_after_s,
    )


def test_silent_attempt_counts_as_lost_and_the_next_one_goes_on_from_its_progress(tmp_path: Path) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    args = {"ledger": str(ledger), "gate": str(gate)}
    run_id = begin({"only": call("beat", args=args, timeout={"heartbeat": "1h"}, retry=AT_ONCE)})
    worker = aside(lambda: work(run_id))
    wait_until(lambda: Heartbeat.objects.filter(run_id=run_id, progress=1).exists(), what="the first beat is written")

    assert silence.sweep(now=timezone.now() + timedelta(minutes=59)) == 0
    assert silence.sweep(now=timezone.now() + timedelta(hours=2)) == 1
    work(run_id)
    gate.touch()
    worker.join(timeout=120)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert Step.objects.get(run_id=run_id).output == 2
    assert list(Attempt.objects.filter(run_id=run_id).values_list("attempt", "kind")) == [(1, "lost")]
    assert [kind for kind in trail(run_id) if kind.startswith("step.")] == [
        "step.lost",
        "step.succeeded",
        "step.discarded",
    ]
    assert Heartbeat.objects.get(run_id=run_id).late_at is None


def test_attempt_that_has_ended_is_never_late() -> None:
    run_id = begin(
        {
            "only": call("beat", args={"ledger": "/dev/null"}, timeout={"heartbeat": 1}),
            "then": call("noop", needs="only"),
        }
    )

    work(run_id)

    row = Heartbeat.objects.get(run_id=run_id)
    assert (row.progress, row.late_at, row.index) == (1, None, -1)
    assert states(run_id) == {"only": "succeeded", "then": "succeeded"}


def test_step_that_must_beat_and_never_does_is_missed_too(tmp_path: Path) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    args = {"ledger": str(ledger), "gate": str(gate)}
    steps = {"only": call("effect", args=args, timeout={"heartbeat": "1h"}, retry={"attempts": 1})}
    run_id = begin(steps)
    worker = aside(lambda: work(run_id))
    wait_until(lambda: Heartbeat.objects.filter(run_id=run_id).exists(), what="its begin is written")

    silence.sweep(now=timezone.now() + timedelta(hours=2))
    work(run_id)
    gate.touch()
    worker.join(timeout=120)

    assert states(run_id) == {"only": "failed"}
    assert Attempt.objects.get(run_id=run_id).kind == "lost"


def test_step_that_need_not_beat_and_never_does_leaves_no_row() -> None:
    run_id = begin({"only": call("told")})
    work(run_id)

    assert not Heartbeat.objects.filter(run_id=run_id).exists()


def test_each_item_has_its_own_progress() -> None:
    steps = {"map": call("beat", for_each=[1, 2, 3], args={"ledger": "/dev/null"}, timeout={"heartbeat": "1h"})}
    run_id = begin(steps)

    work(run_id)

    rows = Heartbeat.objects.filter(run_id=run_id).order_by("index").values_list("index", "progress", "late_at")
    assert list(rows) == [(0, 1, None), (1, 1, None), (2, 1, None)]
    assert Step.objects.get(run_id=run_id).state == "succeeded"


def test_beat_under_an_older_lease_changes_nothing() -> None:
    run_id = begin({"only": call("noop")})
    heartbeats.store([given(run_id, epoch=2, progress=7)])

    heartbeats.store([given(run_id, epoch=1, progress=3, late_after_s=None)])
    assert heartbeats.find_progress(run_id=run_id, step="only", index=None) == 7
    heartbeats.store([given(run_id, epoch=2)])

    row = Heartbeat.objects.get(run_id=run_id)
    assert (row.progress, row.epoch) == (7, 2)
    assert row.late_at is not None


def test_lease_that_was_given_back_is_not_taken_for_an_old_beat() -> None:
    run_id = begin({"only": call("noop")})
    (held,) = store.claim(refs=claimable(run_id), owner="somebody:1", lease_s=60)
    heartbeats.store([given(run_id, epoch=held.epoch)])
    store.release(holds=[{"id": held.id, "epoch": held.epoch}])

    assert silence.sweep(now=timezone.now() + timedelta(hours=2)) == 0

    work(run_id)
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_heartbeat_raises_in_a_step_whose_run_is_being_cancelled(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    run_id = begin({"only": call("beat", args={"ledger": str(ledger), "beats": 300})})
    worker = aside(lambda: work(run_id))
    wait_until(ledger.exists, what="the step has begun")

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), grace_s=60)
    worker.join(timeout=120)

    assert not worker.is_alive()
    assert states(run_id) == {"only": "cancelled"}


def test_progress_is_shown_while_the_step_runs() -> None:
    run_id = begin({"only": call("noop")})
    store.claim(refs=claimable(run_id), owner="somebody:1", lease_s=60)
    heartbeats.store([given(run_id, epoch=1, progress={"page": 3})])
    client = api.client("runs:read")

    (wait,) = client.get(f"/api/v1/runs/{run_id}").json()["waits"]
    (reason,) = client.get(f"/api/v1/runs/{run_id}/why").json()["reasons"]

    assert wait["progress"] == {"page": 3}
    assert '{"page":3}' in reason["says"]
