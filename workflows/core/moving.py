"""Whether a run may go on with another version of its workflow, and where it would stand there; pure.

What has ended or begun must mean the same in both versions, with the same steps before it. What has not begun may be
anything: it is decided anew by the plan of the new version.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from workflows.core.compatibility import altered
from workflows.core.differences import path_of
from workflows.core.plan import Plan
from workflows.core.problems import Problem
from workflows.core.states import StepState


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a run is: its ended steps, and those that have begun and wait for something."""

    ended: Mapping[str, StepState]
    begun: frozenset[str]


def why_not(before: Plan, after: Plan, *, at: Position) -> tuple[Problem, ...]:
    """This will name everything that keeps a run from going on with `after`, by JSON paths; nothing: it may."""
    return tuple(_problems(before, after, at=at))


def active_after(after: Plan, *, begun: Collection[str]) -> frozenset[str]:
    """This will give the steps that are not to be started: begun ones, and what comes behind them in their segments."""
    active: set[str] = set()
    for step in begun:
        segment, position = after.place_of[step]
        active.update(after.segments[segment].steps[position:])
    return frozenset(active)


def _problems(before: Plan, after: Plan, *, at: Position) -> Iterator[Problem]:
    for step in before.main:
        if step not in at.ended and step not in at.begun:
            continue
        done = "has ended" if step in at.ended else "has begun"
        if step not in after.main:
            yield Problem(path_of(("steps", step)), f"step {step!r} {done}, and is not there any more")
            continue
        for word in altered(before.graph.steps[step], after.graph.steps[step]):
            yield Problem(path_of(("steps", step, word)), f"step {step!r} {done}, and means something else there")
        if set(before.switches_of.get(step, ())) != set(after.switches_of.get(step, ())):
            yield Problem(path_of(("steps", step)), f"step {step!r} {done}, and other switches name it there")
    if before.definition.flow != after.definition.flow:
        yield Problem("$", "when runs may begin is another rule there, and this run has begun by the old one")
