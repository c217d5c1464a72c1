"""Steps that wait outside: a row and nothing else, woken without a gap, costing no attempt."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from threading import Event
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone

from audit.events import Actor, ActorKind
from tests.flows import driving
from tests.support.waiting import wait_until
from workflows import inspection, operations, plans, validation
from workflows.core import waiting_kinds
from workflows.core.definition import JsonObject
from workflows.core.outcome import NEVER, Failed, Parked
from workflows.core.states import FailureKind, WaitReason
from workflows.core.waiting_kinds import Stay, WaitingKind
from workflows.dispatch import sweeps
from workflows.execution import shift, waiting_steps
from workflows.models import Activation, Attempt, DeadLetter, Item, Run, Step
from workflows.operations import subjects, waking
from workflows.operations.subjects import Closing
from workflows.store import ActivationRef

pytestmark = pytest.mark.usefixtures("database")
STEPS = {
    "bell": {"uses": "bell"},
    "after": {"uses": "set", "with": {"x": "${{ steps.bell.output.rung }}"}, "needs": "bell"},
}
TESTER = Actor(kind=ActorKind.SYSTEM, id="test")
_READERS = ("core.waiting_kinds", "plans", "execution.attempts", "execution.admitting")


class Bell:
    """A kind of waiting step whose subject is a set in memory: what has been rung, by run, step and index."""

    def __init__(self) -> None:
        self.rung: dict[tuple[UUID, str, int | None], str] = {}
        self.looks: list[Stay] = []
        self.closed: list[Closing] = []
        self.while_looking: Callable[[], None] = lambda: None
        self.failure: Failed | None = None

    def look(self, stay: Stay) -> JsonObject | Failed | Parked:
        """This will answer when it has been rung."""
        self.looks.append(stay)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            return failure
        rung = self.rung.get((stay.run_id, stay.step, stay.index))
        self.while_looking()
        if rung is None:
            return Parked(reason=WaitReason.TIMER, object="the bell")
        return {"rung": rung}

    def ring(self, run_id: UUID, *, step: str = "bell", index: int | None = None, text: str = "ding") -> bool:
        """This will ring, as somebody outside does in a transaction."""
        with transaction.atomic():
            self.rung[run_id, step, index] = text
            return waking.wake(run_id=run_id, step=step, index=index)


@pytest.fixture
def bell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bell]:
    """This will install the kind `bell`."""
    bell = Bell()
    kinds: Mapping[str, WaitingKind] = {**waiting_kinds.WAITING_KINDS, "bell": WaitingKind(schema={"type": "object"})}
    for module in (*_READERS, "execution.fanout"):
        monkeypatch.setattr(f"workflows.{module}.WAITING_KINDS", kinds)
    monkeypatch.setitem(waiting_steps.LOOKS, "bell", bell.look)
    uses = {**validation.BUILT_IN_USES, "bell": {"type": "object"}}
    monkeypatch.setattr(validation, "BUILT_IN_USES", uses)
    subjects.register("bell", bell.closed.append)
    yield bell
    plans.program_of.cache_clear()


def test_parked_step_is_a_row_that_no_sweep_touches(bell: Bell) -> None:
    run_id = driving.begin(STEPS)

    driving.work(run_id)
    driving.take_due()

    row = Activation.objects.get(run_id=run_id)
    assert (row.state, row.wait_reason, row.wait_object) == ("waiting", "timer", "the bell")
    assert (row.owner, row.due_at, row.lane, row.dispatches) == ("", NEVER, "default", 0)
    assert driving.trail(run_id).count("step.parked") == 1


def test_woken_step_is_performed_again_and_ends_with_what_it_finds(bell: Bell) -> None:
    run_id = driving.begin(STEPS)
    driving.work(run_id)

    assert bell.ring(run_id)
    driving.work(run_id)

    step = Step.objects.get(run_id=run_id, step="bell")
    assert (step.output, step.attempts, step.started_at) == ({"rung": "ding"}, 1, bell.looks[0].begun_at)
    assert bell.looks[0].begun_at == bell.looks[1].begun_at
    assert Step.objects.get(run_id=run_id, step="after").output == {"x": "ding"}
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_wake_is_repeatable_and_says_when_nothing_is_parked(bell: Bell) -> None:
    run_id = driving.begin(STEPS)
    assert not waking.wake(run_id=run_id, step="bell")
    driving.work(run_id)

    assert [bell.ring(run_id), bell.ring(run_id)] == [True, False]
    driving.work(run_id)

    assert not waking.wake(run_id=run_id, step="bell")
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_wake_while_a_worker_looks_has_it_look_again(bell: Bell) -> None:
    run_id = driving.begin(STEPS)

    def ring_meanwhile() -> None:
        bell.while_looking = lambda: None
        thread = driving.aside(lambda: bell.ring(run_id))
        thread.join(120)

    bell.while_looking = ring_meanwhile
    driving.work(run_id)

    assert len(bell.looks) == 2
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_park_waits_for_a_wake_that_is_not_committed_yet(bell: Bell) -> None:
    run_id = driving.begin(STEPS)
    has_woken, may_commit = Event(), Event()

    def ring_slowly() -> None:
        with transaction.atomic():
            waking.wake(run_id=run_id, step="bell")
            has_woken.set()
            may_commit.wait(120)
            bell.rung[run_id, "bell", None] = "late"

    def overlap() -> None:
        bell.while_looking = lambda: None
        driving.aside(ring_slowly)
        assert has_woken.wait(120)

    bell.while_looking = overlap
    worker = driving.aside(lambda: driving.work(run_id))
    wait_until(lambda: has_woken.is_set() and len(bell.looks) == 1, what="it looked once")
    may_commit.set()
    worker.join(120)

    assert Step.objects.get(run_id=run_id, step="bell").output == {"rung": "late"}


def test_time_parked_costs_no_attempt_and_no_budget_of_retries(bell: Bell) -> None:
    retry = {"attempts": 2, "first": "1ms", "jitter": "none", "budget": "1m"}
    run_id = driving.begin({"bell": {"uses": "bell", "retry": retry}})
    driving.work(run_id)
    Activation.objects.filter(run_id=run_id).update(
        parked_at=timezone.now() - timedelta(days=3), first_attempt_at=timezone.now() - timedelta(days=3)
    )
    bell.failure = Failed(kind=FailureKind.UNAVAILABLE, message="away")
    bell.ring(run_id)

    driving.work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert Step.objects.get(run_id=run_id).attempts == 2


def test_lost_look_costs_no_attempt(bell: Bell) -> None:
    run_id = driving.begin({"bell": {"uses": "bell", "retry": {"attempts": 1}}})
    row = Activation.objects.get(run_id=run_id)
    Activation.objects.filter(id=row.id).update(state="leased", owner="dead:1", epoch=1)
    driving.lose(run_id)

    bell.rung[run_id, "bell", None] = "ding"
    driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"


def test_parked_items_leave_their_puller_to_others(bell: Bell) -> None:
    run_id = driving.begin({"bell": {"uses": "bell", "for_each": ["a", "b", "c"], "parallel": 1}})
    bell.rung[run_id, "bell", 1] = "second"

    driving.work(run_id)
    states = list(Item.objects.filter(run_id=run_id).order_by("index").values_list("state", "wait_object"))
    puller = Activation.objects.get(run_id=run_id)
    first = bell.ring(run_id, index=0)
    driving.work(run_id)
    third = bell.ring(run_id, index=2)
    driving.work(run_id)

    assert states == [("waiting", "the bell"), ("succeeded", ""), ("waiting", "the bell")]
    assert (puller.state, puller.wait_reason, puller.due_at) == ("waiting", "items", NEVER)
    assert (first, third, bell.ring(run_id, index=2)) == (True, True, False)
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert [stay.index for stay in bell.looks] == [0, 1, 2, 0, 2]


def test_pullers_that_sleep_end_with_the_last_item(bell: Bell) -> None:
    run_id = driving.begin({"bell": {"uses": "bell", "for_each": ["a", "b", "c"], "parallel": 3}})
    driving.work(run_id)

    for index in range(3):
        bell.ring(run_id, index=index)
        driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert not Activation.objects.filter(run_id=run_id).exists()


def test_item_woken_while_its_puller_looks_is_looked_at_again(bell: Bell) -> None:
    run_id = driving.begin({"bell": {"uses": "bell", "for_each": [1], "parallel": 1}})

    def ring_meanwhile() -> None:
        bell.while_looking = lambda: None
        driving.aside(lambda: bell.ring(run_id, index=0)).join(120)

    bell.while_looking = ring_meanwhile
    driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"


def test_puller_about_to_sleep_sees_an_item_that_is_being_woken(bell: Bell) -> None:
    run_id = driving.begin({"bell": {"uses": "bell", "for_each": [1], "parallel": 1}})
    may_commit = Event()
    has_woken = Event()

    def ring_slowly() -> None:
        with transaction.atomic():
            bell.ring(run_id, index=0)
            has_woken.set()
            may_commit.wait(120)

    driving.work(run_id)
    Activation.objects.filter(run_id=run_id).update(due_at=timezone.now())
    driving.aside(ring_slowly)
    assert has_woken.wait(120)
    worker = driving.aside(lambda: driving.work(run_id))
    may_commit.set()
    worker.join(120)
    driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"


def test_subject_is_closed_when_the_run_is_cancelled(bell: Bell) -> None:
    run_id = driving.begin(STEPS)
    driving.work(run_id)

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    (closing,) = bell.closed
    assert (closing.run_id, list(closing.steps), closing.cause.value) == (run_id, ["bell"], "run_cancelled")
    assert closing.actor == TESTER


def test_subject_is_closed_when_the_run_ends_or_its_deadline_passes(bell: Bell) -> None:
    ended = driving.begin(STEPS)
    bell.rung[ended, "bell", None] = "ding"
    expired = driving.begin(STEPS, deadline="1s")
    driving.work(ended, expired)

    sweeps.sweep(now=timezone.now() + timedelta(seconds=2))

    assert {(closing.run_id, closing.cause.value) for closing in bell.closed} == {
        (ended, "run_ended"),
        (expired, "run_ended"),
    }


def test_subject_is_closed_when_its_step_is_requeued(bell: Bell) -> None:
    run_id = driving.begin({"bell": {"uses": "bell", "retry": {"attempts": 1}}})
    bell.failure = Failed(kind=FailureKind.REFUSED, message="no")
    driving.work(run_id)

    letter = DeadLetter.objects.get(run_id=run_id)
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    driving.work(run_id)

    assert [closing.cause.value for closing in bell.closed] == ["run_ended", "step_revived"]
    assert bell.looks[-1].round == 1


def test_waits_say_for_what_and_not_until_when_nobody_knows(bell: Bell) -> None:
    run_id = driving.begin(STEPS)
    driving.work(run_id)

    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))

    assert (wait.reason, wait.object_name, wait.due_at, wait.has_begun) == (WaitReason.TIMER, "the bell", None, True)


def test_claim_of_a_parked_step_that_is_not_due_gives_nothing(bell: Bell) -> None:
    run_id = driving.begin(STEPS)
    driving.work(run_id)

    assert shift.execute([ActivationRef(run_id, 0, 0)]) == 0
