"""What holds for slots, whatever starts and ends in whatever order; the real ones are in tests/integration."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from workflows.core.admission import Queue, Verdict, free_number, judge, next_in_line
from workflows.core.flow_control import Overflow


@dataclass
class Runs:
    """Slots by gate, and the line, as the engine keeps them; `admitted` is the order in which runs were let in."""

    limits: dict[str, int]
    overflow: dict[str, Overflow]
    held: dict[str, dict[int, int]] = field(default_factory=dict)
    line: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    admitted: list[int] = field(default_factory=list)

    def start(self, run: int, gates: tuple[str, ...]) -> Verdict:
        """This will start a run, as `operations.passing` does."""
        queues = [
            Queue(gate=gate, slots=self.limits[gate], held=self.held.get(gate, {}), overflow=self.overflow[gate])
            for gate in gates
        ]
        judgement = judge(queues)
        if judgement.verdict is Verdict.WAIT:
            self.line.append((run, gates))
        if judgement.verdict is Verdict.ADMIT:
            for gate in judgement.to_clear:
                self.leave(min(self.held[gate].values()))
            self._let_in(run, gates)
            self.hand_on()
        return judgement.verdict

    def leave(self, run: int) -> None:
        """This will end a run, without handing on what it held."""
        self.line = [place for place in self.line if place[0] != run]
        self.held = {
            gate: {number: holder for number, holder in held.items() if holder != run}
            for gate, held in self.held.items()
        }

    def hand_on(self) -> None:
        """This will let in whoever may come in, as `operations.slots` does."""
        while (run := next_in_line(self.line, room=self.room())) is not None:
            gates = dict(self.line)[run]
            self.line = [place for place in self.line if place[0] != run]
            self._let_in(run, gates)

    def room(self) -> dict[str, int]:
        """This will give how many slots of each gate are free."""
        return {gate: limit - len(self.held.get(gate, {})) for gate, limit in self.limits.items()}

    @property
    def holding(self) -> set[int]:
        """This will give the runs that hold a slot."""
        return {run for held in self.held.values() for run in held.values()}

    def _let_in(self, run: int, gates: tuple[str, ...]) -> None:
        for gate in gates:
            held = self.held.setdefault(gate, {})
            held[free_number(held.keys())] = run
        self.admitted.append(run)


class SlotsOfAnyRules(RuleBasedStateMachine):
    """Runs that need one or several slots start and end in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = Runs(limits={"a": 1, "b": 2, "c": 3}, overflow=dict.fromkeys("abc", Overflow.QUEUE))
        self.number = 0

    @rule(gates=st.sampled_from([("a",), ("b",), ("a", "c"), ("b", "c"), ("c",)]), overflow=st.sampled_from(Overflow))
    def start(self, gates: tuple[str, ...], overflow: Overflow) -> None:
        """One more start."""
        self.runs.overflow["a"] = overflow
        self.number += 1
        before = self.runs.holding
        verdict = self.runs.start(self.number, gates)
        if verdict is not Verdict.ADMIT:
            assert self.runs.holding == before

    @precondition(lambda self: self.runs.holding or self.runs.line)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """A run that is there ends."""
        run = data.draw(st.sampled_from(sorted(self.runs.holding | set(dict(self.runs.line)))))
        self.runs.leave(run)
        self.runs.hand_on()

    @invariant()
    def no_limit_is_exceeded_and_numbers_are_slots(self) -> None:
        """A slot has a number from 1 to the limit, and one holder."""
        for gate, held in self.runs.held.items():
            assert set(held) <= set(range(1, self.runs.limits[gate] + 1))

    @invariant()
    def nobody_waits_who_could_begin(self) -> None:
        """Who waits finds at least one of its gates full."""
        room = self.runs.room()
        assert all(any(room[gate] <= 0 for gate in gates) for _, gates in self.runs.line)

    @invariant()
    def who_holds_does_not_wait(self) -> None:
        """A run has all its slots or none."""
        assert not self.runs.holding & set(dict(self.runs.line))


TestSlotsOfAnyRules = SlotsOfAnyRules.TestCase


@given(st.integers(1, 5), st.lists(st.booleans(), max_size=60))
def test_one_key_lets_runs_in_exactly_in_the_order_they_came(limit: int, is_start: list[bool]) -> None:
    runs = Runs(limits={"only": limit}, overflow={"only": Overflow.QUEUE})
    started = 0
    for start in is_start:
        if start:
            started += 1
            runs.start(started, ("only",))
        elif runs.holding:
            runs.leave(min(runs.holding))
            runs.hand_on()

    assert runs.admitted == list(range(1, len(runs.admitted) + 1))
    assert len(runs.holding) == min(limit, len(runs.holding) + len(runs.line))


@given(st.sets(st.integers(1, 20)))
def test_free_number_is_the_smallest_that_nobody_has(taken: set[int]) -> None:
    number = free_number(taken)

    assert number not in taken
    assert set(range(1, number)) <= taken
