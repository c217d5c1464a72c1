"""What a retry of an ended run would reuse and what it would execute again; it decides and changes nothing.

A retry that does not begin at the start is a new run which takes over the results of the first one. It executes the
steps from which it was asked for, those that had no result, those that were undone, and everything behind any of
these. A result is taken over only if the step means the same in the version of the new run.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from enum import StrEnum

from workflows.core.compatibility import altered
from workflows.core.differences import path_of
from workflows.core.plan import Plan
from workflows.core.problems import Problem
from workflows.core.states import StepState

_HAS_RESULT = frozenset({StepState.SUCCEEDED, StepState.SKIPPED})


class RetryFrom(StrEnum):
    """Where a retry begins: at what failed, at a chosen step, or at the start."""

    FAILED = "failed"
    STEP = "step"
    START = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """`reused` and `executed` are all main steps of the version to be used, in its order.

    `executed` says why: `chosen`, `no result`, `undone`, `returns` or `behind <step>`. `dropped` have a result and are
    not in that version any more. `hindrances`: why it cannot be done, with JSON paths into the definition.
    """

    reused: tuple[str, ...]
    executed: Mapping[str, str]
    dropped: tuple[str, ...]
    hindrances: tuple[Problem, ...]


def plan_retry(
    before: Plan,
    after: Plan,
    *,
    past: Mapping[str, StepState],
    undone: Set[str],
    start: RetryFrom,
    step: str = "",
) -> RetryPlan:
    """This will say what a retry of a run of `before` on `after` would do; `past` has the states of its ended steps."""
    if start is RetryFrom.START:
        return RetryPlan(reused=(), executed=dict.fromkeys(after.main, "chosen"), dropped=(), hindrances=())
    if start is RetryFrom.STEP and step not in after.main:
        known = ", ".join(after.main)
        problem = Problem(path_of(("steps", step)), f"there is no step {step!r} to begin at", f"choose from {known}")
        return RetryPlan(reused=(), executed={}, dropped=(), hindrances=(problem,))
    executed: dict[str, str] = {}
    for name in after.main:
        reason = _reason(after, name, past=past, undone=undone, chosen=step, executed=executed)
        if reason:
            executed[name] = reason
    reused = tuple(name for name in after.main if name not in executed)
    return RetryPlan(
        reused=reused,
        executed=executed,
        dropped=tuple(name for name in before.main if past.get(name) in _HAS_RESULT and name not in after.place_of),
        hindrances=_hindrances(before, after, reused=reused, executed=executed),
    )


def _reason(
    plan: Plan, name: str, *, past: Mapping[str, StepState], undone: Set[str], chosen: str, executed: Mapping[str, str]
) -> str:
    """Why a step is executed; empty: its result is taken over. Steps before it are decided already."""
    if name == chosen:
        return "chosen"
    before = (*plan.graph.needs[name], *plan.switches_of.get(name, ()))
    for need in before:
        if need in executed:
            return f"behind {need}"
    if past.get(name) not in _HAS_RESULT:
        return "no result"
    if name in undone:
        return "undone"
    if plan.graph.steps[name].is_return:
        return "returns"
    return ""


def _hindrances(
    before: Plan, after: Plan, *, reused: tuple[str, ...], executed: Mapping[str, str]
) -> tuple[Problem, ...]:
    problems: list[Problem] = []
    for name in reused:
        if name not in before.main:
            continue
        words = altered(before.graph.steps[name], after.graph.steps[name])
        hint = f"retry from {name!r}, or on the version the run had"
        problems += [
            Problem(path_of(("steps", name, word)), f"step {name!r} has a result, and has changed since", hint)
            for word in words
        ]
    if not executed:
        problems.append(
            Problem("$.steps", "every step has a result", "say the step to begin at, or begin at the start")
        )
    return tuple(problems)
