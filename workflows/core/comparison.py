"""Two runs side by side: what they were given, the way they took, how long it took, what came out; it reads nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from workflows.core.definition import JsonValue
from workflows.core.differences import Differences, compare

_NONE = Differences(())


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSide:
    """A step as one of the runs has it. `duration_s` is None until it has ended, and where it never began."""

    state: str
    attempts: int
    duration_s: float | None
    output: JsonValue
    error: JsonValue
    items: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSide:
    """One of the runs. `steps` stand in the order of its plan; `duration_s` is None while it runs."""

    id: str
    workflow: str
    version: int
    state: str
    started_at: datetime
    duration_s: float | None
    input: JsonValue
    output: JsonValue
    error: JsonValue
    steps: Mapping[str, StepSide]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPair:
    """A step in both runs; None where a run's version has no such step."""

    step: str
    left: StepSide | None
    right: StepSide | None
    output: Differences
    error: Differences

    @property
    def is_same_way(self) -> bool:
        """This will tell whether it came to the same: state and items; not how long it took."""
        if self.left is None or self.right is None:
            return False
        return self.left.state == self.right.state and self.left.items == self.right.items

    @property
    def is_same(self) -> bool:
        """This will tell whether it came to the same and gave the same."""
        return self.is_same_way and not self.output and not self.error

    @property
    def slower_s(self) -> float | None:
        """This will give how much longer the right one took."""
        if self.left is None or self.right is None or self.left.duration_s is None or self.right.duration_s is None:
            return None
        return self.right.duration_s - self.left.duration_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs, and where they differ."""

    left: RunSide
    right: RunSide
    input: Differences
    output: Differences
    error: Differences
    steps: Sequence[StepPair]

    @property
    def diverges_at(self) -> str:
        """This will name the first step, in the order of the plan, that is not the same; empty: there is none."""
        return next((pair.step for pair in self.steps if not pair.is_same), "")

    @property
    def is_same(self) -> bool:
        """This will tell whether both came to the same: state, input, output and every step; times do not count."""
        sides_agree = (self.left.workflow, self.left.state) == (self.right.workflow, self.right.state)
        return sides_agree and not (self.input or self.output or self.error or self.diverges_at)

    @property
    def slower_s(self) -> float | None:
        """This will give how much longer the right run took."""
        if self.left.duration_s is None or self.right.duration_s is None:
            return None
        return self.right.duration_s - self.left.duration_s


def compare_runs(left: RunSide, right: RunSide) -> Comparison:
    """This will put two runs side by side: steps in the order of the left one's plan, then those it does not have."""
    names = [*left.steps, *(step for step in right.steps if step not in left.steps)]
    return Comparison(
        left=left,
        right=right,
        input=compare(left.input, right.input),
        output=compare(left.output, right.output),
        error=compare(left.error, right.error),
        steps=[_pair(step, left.steps.get(step), right.steps.get(step)) for step in names],
    )


def _pair(step: str, left: StepSide | None, right: StepSide | None) -> StepPair:
    if left is None or right is None:
        return StepPair(step=step, left=left, right=right, output=_NONE, error=_NONE)
    output, error = compare(left.output, right.output), compare(left.error, right.error)
    return StepPair(step=step, left=left, right=right, output=output, error=error)
