"""Changes of a run beside others that change it: they make way, try again, or say that it is busy; none dies of it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from uuid import UUID

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from tests.flows.driving import TESTER, aside, begin, call, finish, publish, start, work
from tests.support import api
from tests.support.waiting import wait_until
from workflows import inspection, operations, park_store
from workflows.core.correlation import NewEvent
from workflows.core.retry_plan import RetryFrom
from workflows.core.selection import Selection
from workflows.core.states import DeadLetterState, RunState
from workflows.dispatch import sweeps
from workflows.errors import RunBusy, WorkflowError
from workflows.models import Activation, DeadLetter, Incident, Run
from workflows.operations import patience
from workflows.operations.bulk_repairs import requeue_matching

pytestmark = pytest.mark.usefixtures("database")
_LONGEST_S = 30.0
_GIVES_UP_S = 3.0
STEPS = {"only": call("noop")}
FAILING = {"only": call("fail_on", args={"value": 1, "bad": 1})}


def move(run_id: UUID) -> None:
    """This will move the run to the version in use."""
    operations.move_run(run_id=run_id, version=None, actor=TESTER, now=timezone.now())


def set_result(run_id: UUID) -> None:
    """This will set the result of its step by hand."""
    wanted = operations.SetResult(step="only", output=1, reason="it was done by hand")
    operations.set_result(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now())


@pytest.mark.parametrize("change", [move, set_result])
def test_change_makes_way_for_a_worker_that_ends_the_run(
    change: Callable[[UUID], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = begin(STEPS)
    workflow = Run.objects.get(id=run_id).workflow_name
    api.publish({"name": workflow, "steps": {**STEPS, "more": call("noop", needs="only")}})
    has_activation, has_met = threading.Event(), threading.Event()
    met = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: has_met.set())
    monkeypatch.setattr(patience, "time", met)

    def end() -> None:
        """What the statement `finish` does: its activation first, then the run."""
        with transaction.atomic():
            Activation.objects.filter(run_id=run_id).delete()
            has_activation.set()
            has_met.wait(_GIVES_UP_S)
            Run.objects.filter(id=run_id).update(state="succeeded", ended_at=timezone.now())

    worker = aside(end)
    assert has_activation.wait(_LONGEST_S)
    with pytest.raises(WorkflowError):
        change(run_id)
    worker.join(_LONGEST_S)

    assert has_met.is_set()
    assert Run.objects.get(id=run_id).state == "succeeded"


def cancel(run_id: UUID) -> None:
    """This will cancel the run."""
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())


def requeue(run_id: UUID) -> None:
    """This will bring its dead letter back."""
    operations.requeue_dead_letter(dead_letter_id=_letter(run_id).id, actor=TESTER, now=timezone.now())


def discard(run_id: UUID) -> None:
    """This will give its dead letter up."""
    operations.discard_dead_letter(dead_letter_id=_letter(run_id).id, actor=TESTER, now=timezone.now(), reason="a test")


def retry(run_id: UUID) -> None:
    """This will retry it from its start."""
    wanted = operations.RetryWanted(start=RetryFrom.START, reason="a test")
    operations.retry_run(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now())


def preview(run_id: UUID) -> None:
    """This will ask what a retry would do."""
    operations.preview_retry(run_id=run_id, wanted=operations.RetryWanted(start=RetryFrom.START, reason="a test"))


def undo(run_id: UUID) -> None:
    """This will undo it."""
    operations.undo_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="a test")


@pytest.mark.parametrize("change", [move, set_result, cancel, requeue, discard, retry, preview, undo])
def test_nobody_waits_for_ever_for_a_run_that_somebody_holds(
    change: Callable[[UUID], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = finish(FAILING).id
    monkeypatch.setattr(patience, "_PATIENCE_S", 0.05)

    with _held(run_id), pytest.raises(RunBusy, match="ask again"):
        change(run_id)

    assert Run.objects.get(id=run_id).state == RunState.FAILED
    assert _letter(run_id).state == DeadLetterState.OPEN


def test_run_that_somebody_holds_keeps_no_other_from_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    held, late = (begin(STEPS, deadline="1h") for _ in range(2))
    Run.objects.filter(id__in=[held, late]).update(deadline_at=timezone.now())
    monkeypatch.setattr(patience, "_PATIENCE_S", 0.05)

    with _held(held):
        sweeps.sweep(now=timezone.now())

    assert [Run.objects.get(id=run_id).state for run_id in (held, late)] == ["running", "failed"]
    sweeps.sweep(now=timezone.now())
    assert Run.objects.get(id=held).state == "failed"


def test_letter_of_a_run_that_somebody_holds_keeps_no_other_from_being_requeued(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workflow = publish(FAILING)
    held, other = (start(workflow) for _ in range(2))
    work(held, other, is_patient=False)
    monkeypatch.setattr(patience, "_PATIENCE_S", 0.05)

    with _held(held):
        outcome = requeue_matching(Selection(workflow=workflow), actor=TESTER, now=timezone.now())

    assert (outcome.done, dict(outcome.skipped)) == (1, {"busy": 1})


def test_time_that_locks_are_waited_for_is_the_callers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = begin(STEPS)
    with transaction.atomic():
        _execute("set local lock_timeout = '77s'")
        cancel(run_id)

        assert _execute("show lock_timeout") == "77s"


def test_requeue_that_ends_a_deadlock_is_tried_again() -> None:
    """Somebody takes the incident first and then the run; the requeue the other way round."""
    run_id = finish(FAILING).id
    fingerprint = _letter(run_id).fingerprint
    has_incident = threading.Event()

    def disturb() -> None:
        # The requeue waits for longer, and so it is the one that is ended; on a busy machine it may be this.
        with suppress(OperationalError), transaction.atomic():
            Incident.objects.select_for_update().get(fingerprint=fingerprint)
            has_incident.set()
            wait_until(_somebody_waits, what="the requeue waits for the incident")
            Run.objects.select_for_update().get(id=run_id)

    other = aside(disturb)
    assert has_incident.wait(_LONGEST_S)
    requeue(run_id)
    other.join(_LONGEST_S)

    assert _letter(run_id).state == DeadLetterState.REQUEUED
    assert Activation.objects.filter(run_id=run_id).count() == 1


def test_two_who_discard_the_last_letters_do_so_one_after_the_other() -> None:
    """Each would see the letter of the other as open, and nobody would give up what was requeued before."""
    run_id = finish({"a": FAILING["only"], "b": FAILING["only"]}).id
    first, second = DeadLetter.objects.filter(run_id=run_id).order_by("id").values_list("id", flat=True)
    now = timezone.now()
    with transaction.atomic():
        operations.discard_dead_letter(dead_letter_id=first, actor=TESTER, now=now, reason="a test")
        other = aside(
            lambda: operations.discard_dead_letter(dead_letter_id=second, actor=TESTER, now=now, reason="a test")
        )
        wait_until(_somebody_waits, what="the other one waits for the run")
    other.join(_LONGEST_S)

    assert not DeadLetter.objects.filter(run_id=run_id, state=DeadLetterState.OPEN).exists()


def test_step_is_woken_although_its_run_is_moved_at_that_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wakes it has looked up its place in the version that the run had before."""
    wait = {"uses": "wait", "with": {"event": {"type": "paid", "key": "${{ run.id }}"}, "for": "1h"}}
    run_id = begin({"paid": wait})
    work(run_id)
    workflow = Run.objects.get(id=run_id).workflow_name
    api.publish({"name": workflow, "steps": {"before": call("noop"), "paid": wait}})
    places = {Activation.objects.get(run_id=run_id).segment}
    wake, moves = park_store.wake, iter([lambda: move(run_id)])

    def wake_late(sleepers: list[park_store.Sleeper]) -> int:
        for act in moves:
            aside(act).join(_LONGEST_S)
        return wake(sleepers)

    monkeypatch.setattr(park_store, "wake", wake_late)
    event = NewEvent(id="1", source="/test", type="paid", key=str(run_id))
    operations.publish_event(event, actor=TESTER, now=timezone.now())
    places |= set(Activation.objects.filter(run_id=run_id).values_list("segment", flat=True))
    work(run_id)

    assert len(places) == 2, "it has another place in the new version"
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_run_that_is_moved_while_it_is_read_is_shown_where_it_is() -> None:
    wait = {"uses": "wait", "with": {"for": "1h"}}
    run_id = begin({"rest": wait})
    work(run_id)
    seen = Run.objects.get(id=run_id)
    api.publish({"name": seen.workflow_name, "steps": {"before": call("noop"), "rest": wait}})

    move(run_id)

    assert [found.step for found in inspection.waits_of(seen)] == ["before", "rest"]
    assert [report.step for report in inspection.steps_of(seen)] == ["rest"]


def _letter(run_id: UUID) -> DeadLetter:
    return DeadLetter.objects.get(run_id=run_id)


@contextmanager
def _held(run_id: UUID) -> Iterator[None]:
    """Somebody has locked the run, and does not let go of it."""
    is_held, may_go = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Run.objects.select_for_update().get(id=run_id)
            is_held.set()
            may_go.wait(_LONGEST_S)

    holder = aside(hold)
    assert is_held.wait(_LONGEST_S)
    try:
        yield
    finally:
        may_go.set()
        holder.join(_LONGEST_S)


def _somebody_waits() -> bool:
    """Somebody waits for a row: for the end of the transaction that has it."""
    return bool(_execute("select exists (select from pg_locks where not granted and locktype = 'transactionid')"))


def _execute(sql: str, *params: object) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        return None if cursor.description is None else cursor.fetchone()[0]
