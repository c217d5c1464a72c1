"""Limits: a slot is taken when the step begins, freed by whatever ends it, and goes to who waits longest."""

import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from audit import queries as audit
from tests.flows import driving
from tests.flows.driving import AT_ONCE, TESTER, begin, call, claimable, publish, start
from tests.flows.limits import claimed, held, limit_of, line, resize
from workflows import capacity, inspection, limit_store, operations, store
from workflows.core.problems import DefinitionInvalid
from workflows.core.states import WaitReason
from workflows.dispatch import sweeps
from workflows.errors import LimitInUse, LimitInvalid, UnknownLimit
from workflows.execution import shift
from workflows.execution.turn import Turn
from workflows.models import Activation, Run, Slot

pytestmark = pytest.mark.usefixtures("database")


def test_step_takes_a_slot_while_it_runs_and_frees_it_when_it_ends() -> None:
    name = limit_of(1)

    run = driving.finish({"a": call("noop"), "b": call("noop", needs="a", limits=[name]), "c": call("noop", needs="b")})

    assert run.state == "succeeded"
    assert held(name) == 0
    assert [part.get("limits") for part in run.version.plan] == [None, [name], None]


def test_step_without_room_waits_in_line_and_says_for_what() -> None:
    name = limit_of(1)
    workflow = publish({"only": call("noop", limits=[name])})
    holder, *waiting = [start(workflow) for _ in range(3)]
    claimed(holder)

    driving.work(*waiting)

    assert line(name) == waiting
    (wait,) = inspection.waits_of(Run.objects.get(id=waiting[1]))
    assert (wait.reason, wait.object_kind, wait.object_name) == (WaitReason.LIMIT, "limit", name)
    assert wait.line == capacity.Place(position=2, held=1, capacity=1)
    assert wait.attempt == 1


@pytest.mark.parametrize("is_in_time", [True, False], ids=["in its time", "beyond its time"])
def test_worker_that_ends_a_step_goes_on_with_the_first_in_line_without_a_message(
    monkeypatch: pytest.MonkeyPatch, is_in_time: bool
) -> None:
    name = limit_of(1)
    workflow = publish({"only": call("noop", limits=[name])})
    runs = [start(workflow) for _ in range(5)]
    blocker = start(workflow)
    claim_id = claimed(blocker)
    driving.work(*runs)
    assert line(name) == runs
    Activation.objects.filter(id=claim_id).update(due_at=Now() - timedelta(days=1))
    looks = iter([False])

    def is_over(_turn: Turn, *, has_slot: bool = False) -> bool:
        return not (is_in_time or has_slot) and next(looks, True)

    monkeypatch.setattr(Turn, "is_over", is_over)
    shift.execute(claimable(blocker))

    assert set(Run.objects.filter(id__in=[blocker, *runs]).values_list("state", flat=True)) == {"succeeded"}
    ends = list(Run.objects.filter(id__in=runs).order_by("ended_at").values_list("id", flat=True))
    assert ends == runs


def test_higher_priority_goes_first_and_newcomers_do_not_pass_the_line() -> None:
    name = limit_of(1)
    workflow = publish({"only": call("noop", limits=[name])})
    claim_id = claimed(start(workflow))
    low = start(workflow)
    high = start(workflow, priority=5)
    driving.work(low, high)
    assert line(name) == [high, low]
    newcomer = start(workflow)
    (claim,) = store.claim(refs=claimable(newcomer), owner="elsewhere:2", lease_s=60)
    Activation.objects.filter(id=claim_id).delete()

    missing = limit_store.take_slots(hold={"id": claim.id, "epoch": claim.epoch}, limits=[name])

    assert missing == [name]
    assert limit_store.wake_line(limits=[name])[0].run_id == high


@pytest.mark.parametrize("how", ["cancel", "expire", "lose", "retry", "release"])
def test_slot_is_free_whatever_ends_the_lease(how: str) -> None:
    name = limit_of(1)
    steps = {"only": call("noop", limits=[name])}
    run_id = begin(steps, deadline="1h")
    waiting = begin(steps)
    claim_id = claimed(run_id)
    driving.work(waiting)
    activation = Activation.objects.get(id=claim_id)
    hold: store.HoldRow = {"id": activation.id, "epoch": activation.epoch}
    now = timezone.now()
    match how:
        case "cancel":
            operations.cancel_run(run_id=run_id, actor=TESTER, now=now)
        case "expire":
            operations.expire_run(run_id=run_id, now=now + timedelta(hours=2))
        case "lose":
            driving.lose(run_id)
            driving.take_due()
        case "retry":
            driving_retry(hold)
        case _:
            store.release(holds=[hold])

    sweeps.sweep(now=now)

    assert held(name) == 0
    assert claimable(waiting), "who was first in line is due"
    assert limit_store.slots_leaked() == []


def driving_retry(hold: store.HoldRow) -> None:
    """This will end an attempt without success."""
    now = timezone.now().isoformat()
    store.retry_later(
        moves=[
            {
                **hold,
                "step": "only",
                "attempt": 1,
                "round": 0,
                "delay_s": 60.0,
                "kind": "unavailable",
                "message": "away",
                "evidence": None,
                "started_at": now,
                "ended_at": now,
            }
        ],
        events=[],
    )


def test_lost_worker_gives_its_slot_back_and_its_step_runs_again() -> None:
    name = limit_of(1)
    run_id = begin({"only": call("noop", limits=[name])})
    claimed(run_id)
    driving.lose(run_id)

    driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert held(name) == 0


def test_late_result_of_a_lost_worker_frees_nothing_of_its_successor() -> None:
    name = limit_of(1)
    run_id = begin({"only": call("noop", limits=[name])})
    claim_id = claimed(run_id)
    old = Activation.objects.get(id=claim_id).epoch
    driving.lose(run_id)
    claimed(run_id)

    store.release(holds=[{"id": claim_id, "epoch": old}])

    assert held(name) == 1


def test_several_limits_are_taken_together_or_not_at_all() -> None:
    first, second = sorted([limit_of(1), limit_of(1)])
    both = publish({"only": call("noop", limits=[second, first])})
    blocker = begin({"only": call("noop", limits=[second])})
    claim_id = claimed(blocker)
    run_id = start(both)

    driving.work(run_id)

    assert (line(first), line(second), held(first)) == ([], [run_id], 0)
    Activation.objects.filter(id=claim_id).update(due_at=Now() - timedelta(days=1))
    driving.work(blocker)
    driving.work(run_id)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_for_each_has_as_many_pullers_at_work_as_there_are_slots() -> None:
    name = limit_of(2)
    run_id = begin({"map": call("noop", for_each=list(range(20)), parallel=5, limits=[name])})

    driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert held(name) == 0


def test_failed_step_is_retried_with_a_slot_for_each_attempt(tmp_path: object) -> None:
    name = limit_of(1)

    run = driving.finish({"only": call("fail_unless", args={"path": "/nowhere"}, limits=[name], retry=AT_ONCE)})

    assert run.state == "failed"
    assert held(name) == 0


def test_lowered_limit_hands_out_nothing_before_enough_have_ended() -> None:
    name = limit_of(3)
    steps = {"only": call("noop", limits=[name])}
    runs = [begin(steps) for _ in range(3)]
    claims = [claimed(run_id) for run_id in runs]
    resize(name, 1)
    waiting = begin(steps)

    driving.work(waiting)
    counts = [held(name)]
    for claim_id in claims[:2]:
        Activation.objects.filter(id=claim_id).delete()
        counts.append(held(name))
    assert limit_store.wake_line(limits=[name]) == []
    Activation.objects.filter(id=claims[2]).delete()

    assert counts == [3, 2, 1]
    assert Slot.objects.filter(limit__name=name).count() == 1
    assert [one.run_id for one in limit_store.wake_line(limits=[name])] == [waiting]


def test_raised_limit_wakes_the_line_at_once() -> None:
    name = limit_of(0)
    steps = {"only": call("noop", limits=[name])}
    runs = [begin(steps) for _ in range(3)]
    driving.work(*runs)
    assert claimable(*runs) == []

    resize(name, 2)

    assert [ref.run_id for ref in claimable(*runs)] == runs[:2]


def test_eight_racing_threads_never_pass_the_limit_and_finish_everything() -> None:
    name = limit_of(3)
    workflow = publish({"only": call("noop", limits=[name])})
    runs = [start(workflow) for _ in range(64)]
    peak: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            peak.append(held(name))
            time.sleep(0.001)

    def work_on(mine: Sequence[UUID]) -> None:
        driving.work(*mine)

    watcher = driving.aside(watch)
    workers = [driving.aside(lambda part=runs[n::8]: work_on(part)) for n in range(8)]
    for worker in workers:
        worker.join(120)
    stop.set()
    watcher.join(120)
    driving.work(*runs)

    assert set(Run.objects.filter(id__in=runs).values_list("state", flat=True)) == {"succeeded"}
    assert 0 < max(peak) <= 3
    assert held(name) == 0
    assert line(name) == []


def test_unknown_limit_is_a_problem_when_published() -> None:
    name = limit_of(1)

    with pytest.raises(DefinitionInvalid) as caught:
        publish({"only": call("noop", limits=[name[:-1] + "?"])})

    (problem,) = caught.value.problems
    assert problem.path == "$.steps.only.limits[0]"
    assert name in problem.hint


def test_limit_is_audited_and_saying_the_same_twice_changes_nothing() -> None:
    name = limit_of(1)
    resize(name, 2)
    resize(name, 2)

    kinds = list(audit.events_for(name).values_list("kind", flat=True))
    assert kinds == ["limit.changed", "limit.changed"]


def test_limit_in_use_cannot_be_deleted() -> None:
    name = limit_of(1)
    publish({"only": call("noop", limits=[name])})

    with pytest.raises(LimitInUse):
        operations.delete_limit(name=name, actor=TESTER, now=timezone.now())

    free = limit_of(1)
    operations.delete_limit(name=free, actor=TESTER, now=timezone.now())
    with pytest.raises(UnknownLimit):
        operations.delete_limit(name=free, actor=TESTER, now=timezone.now())


@pytest.mark.parametrize(("name", "number"), [("Bad Name", 1), ("fine", -1), ("fine", 10_001)])
def test_wrong_limit_is_refused(name: str, number: int) -> None:
    with pytest.raises(LimitInvalid):
        operations.set_limit(name=name, capacity=number, actor=TESTER, now=timezone.now())


def test_leaked_slot_is_found_said_and_freed() -> None:
    name = limit_of(1)
    Slot.objects.filter(limit__name=name).update(holder=-1, taken_at=Now())
    assert [leak.limit for leak in limit_store.slots_leaked()] == [name]

    sweeps.sweep(now=timezone.now())

    assert limit_store.slots_leaked() == []
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from workflows_slot where holder = -1")
        assert cursor.fetchone() == (0,)
