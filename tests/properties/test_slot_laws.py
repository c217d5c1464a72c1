"""Laws of limits: however capacity changes, and whatever is taken, ended, lost and woken in whatever order."""

from uuid import UUID, uuid4

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.flows import driving
from tests.flows.driving import TESTER, call, claimable, publish, start, work
from workflows import limit_store, operations, store
from workflows.core.slots import SlotState, fit
from workflows.execution import shift
from workflows.models import Activation, Run, Slot
from workflows.operations import limits

pytestmark = pytest.mark.usefixtures("database")

SLOTS = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12).map(
    lambda rows: [
        SlotState(number, is_held, is_held and is_retiring) for number, (is_held, is_retiring) in enumerate(rows, 1)
    ]
)


@given(slots=SLOTS, capacity=st.integers(0, 15))
def test_slots_follow_their_capacity_and_what_is_held_stays(slots: list[SlotState], capacity: int) -> None:
    change = fit(slots, capacity=capacity)

    left = {slot.number: slot for slot in slots if slot.number not in change.remove}
    retiring = {slot.number for slot in left.values() if slot.is_retiring} | set(change.retire)
    staying = (left.keys() | set(change.add)) - (retiring - set(change.keep))
    assert len(staying) == capacity
    assert all(not slot.is_held for slot in slots if slot.number in change.remove)
    assert not left.keys() & set(change.add)
    assert not (retiring - set(change.keep)) or not any(not slot.is_held for slot in left.values())


class Line(RuleBasedStateMachine):
    """One limit under everything that can happen, on the real tables."""

    def __init__(self) -> None:
        super().__init__()
        self.name = f"limit-{uuid4().hex[:12]}"
        self.capacity = 0
        self.allowed = 0
        self.runs: list[UUID] = []
        self.working: list[store.HoldRow] = []

    @initialize(capacity=st.integers(1, 3))
    def make(self, capacity: int) -> None:
        """This will begin with a limit and a workflow that needs it."""
        self.resize(capacity)
        self.workflow = publish({"only": call("noop", limits=[self.name])})

    @rule(capacity=st.integers(0, 4))
    def resize(self, capacity: int) -> None:
        """This will change the limit under way."""
        operations.set_limit(name=self.name, capacity=capacity, actor=TESTER, now=timezone.now())
        self.capacity = capacity

    @rule(priority=st.integers(0, 1))
    def arrive(self, priority: int) -> None:
        """This will start a run that wants a slot."""
        self.runs.append(start(self.workflow, priority=priority))

    @rule(pick=st.integers(0, 50))
    def begin(self, pick: int) -> None:
        """This will have somebody take up one that is due: it has its slot then, or is in line."""
        refs = claimable(*self.runs)
        for claim in store.claim(refs=[refs[pick % len(refs)]], owner="a:1", lease_s=60) if refs else ():
            hold: store.HoldRow = {"id": claim.id, "epoch": claim.epoch}
            missing = limit_store.take_slots(hold=hold, limits=[self.name])
            if missing:
                store.postpone(holds=[{**hold, "reason": "limit", "object": self.name, "delay_s": 60.0}])
                limits.wake([self.name])
            else:
                self.working.append(hold)

    @precondition(lambda self: self.working)
    @rule(pick=st.integers(0, 50), how=st.sampled_from(["release", "cancel", "lose", "end"]))
    def stop(self, pick: int, how: str) -> None:
        """This will end the lease of one at work, in one of the ways there are."""
        hold = self.working.pop(pick % len(self.working))
        run_id = Activation.objects.get(id=hold["id"]).run_id
        match how:
            case "release":
                store.release(holds=[hold])
            case "cancel":
                operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
            case "lose":
                lost = Activation.objects.filter(id=hold["id"], state="leased")
                lost.update(due_at=Now())
                while lost.exists():  # runs of other tests may be due, and taken before it
                    driving.take_due()
            case _:
                Activation.objects.filter(id=hold["id"]).update(due_at=Now())
                shift.execute(claimable(run_id))
        limits.mend()

    @invariant()
    def never_more_than_allowed(self) -> None:
        """This will count: no more slots are held than capacity, or than were held when it was lowered."""
        held = Slot.objects.filter(limit__name=self.name, holder__isnull=False).count()
        self.allowed = max(self.capacity, min(self.allowed, held))
        assert held <= self.allowed
        assert held == len(self.working)

    @invariant()
    def none_is_lost(self) -> None:
        """This will look for slots that nobody at work has, and compare their number with the capacity."""
        assert limit_store.slots_leaked() == []
        slots = Slot.objects.filter(limit__name=self.name)
        assert slots.filter(is_retiring=False).count() == self.capacity

    def teardown(self) -> None:
        """This will let everybody at work end: then all runs end, in however small a limit."""
        if self.runs:
            self.resize(max(1, self.capacity))
            for hold in self.working:
                store.release(holds=[hold])
            limits.mend()
            work(*self.runs, is_patient=False)
            states = set(Run.objects.filter(id__in=self.runs).values_list("state", flat=True))
            assert states <= {"succeeded", "cancelled"}


TestLine = Line.TestCase
TestLine.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
