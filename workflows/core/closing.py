"""What a run that is ending still owes: undo what was done, then `finally`, then it ends; pure.

The laws it keeps: nothing is undone while a main step is at work; what was done is undone in the reverse order in
which it ended, one step after the other, each once; `finally` comes after that, whatever has happened, once.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from workflows.core import progress
from workflows.core.definition import JsonObject, StepDefinition
from workflows.core.plan import Plan
from workflows.core.progress import Advance, Entry
from workflows.core.states import Phase, RunState, StepState, UndoWhen

_WAIT = Advance((), (), None)
_WENT_WRONG = (StepState.FAILED, StepState.CANCELLED)
_NEVER_RAN = (StepState.SKIPPED, StepState.UPSTREAM_FAILED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """How a step ended. `may_have_happened`: it did not succeed, but an attempt may have had its effect."""

    state: StepState
    ended_at: datetime
    may_have_happened: bool = False


def advance(
    plan: Plan,
    *,
    ending: RunState,
    is_undoing: bool,
    past: Mapping[str, Past],
    active: Set[str],
    chosen: Mapping[str, Set[str]] = MappingProxyType({}),
) -> Advance:
    """This will say what a run that is ending does next, and as what it ends when nothing is left.

    `active` are the steps somebody is working on, or will; whoever is the last of them decides. `chosen` has what
    each succeeded `switch` chose.
    """
    if any(plan.graph.steps[step].phase is not Phase.FINALLY for step in active):
        return _WAIT
    if is_undoing and not has_broken_off(plan, past=past):
        rest = not_undone(plan, past=past)
        if rest:
            place = plan.place_of[plan.undo_of[rest[0]].id]
            return Advance((Entry(*place),), (), None)
    states = {step: one.state for step, one in past.items()}
    part = progress.go_through(plan, steps=plan.finals, ended=states, active=active, chosen=chosen)
    state = None
    if part.is_over and not active:
        state = end_state(plan, ending=ending, states={**states, **part.states})
    return Advance(part.ready, part.decided, state)


def to_undo(plan: Plan, *, past: Mapping[str, Past]) -> tuple[str, ...]:
    """This will give the steps whose effects are taken back, in the order in which that is done.

    What ended last comes first; of what ended in the same instant, what stands later in the plan. A step counts as
    ended after those it waited for, whatever the clocks of two workers say.
    """
    ended_at: dict[str, datetime] = {}
    for step in plan.main:
        if step in past:
            needed = (ended_at[need] for need in plan.graph.needs[step] if need in ended_at)
            ended_at[step] = max([past[step].ended_at, *needed])
    done = [step for step, undo in plan.undo_of.items() if step in past and _calls_for(undo, plan=plan, past=past)]
    return tuple(sorted(done, key=lambda step: (ended_at[step], plan.main.index(step)), reverse=True))


def not_undone(plan: Plan, *, past: Mapping[str, Past]) -> tuple[str, ...]:
    """This will give the steps whose undo has not succeeded, in the order in which they are undone."""
    return tuple(
        step
        for step in to_undo(plan, past=past)
        if (undo := past.get(plan.undo_of[step].id)) is None or undo.state is not StepState.SUCCEEDED
    )


def has_broken_off(plan: Plan, *, past: Mapping[str, Past]) -> bool:
    """This will tell whether an undo has failed: what was done before it stands until that is mended."""
    undos = (past.get(undo.id) for undo in plan.undo_of.values())
    return any(undo is not None and undo.state is not StepState.SUCCEEDED for undo in undos)


def end_state(plan: Plan, *, ending: RunState, states: Mapping[str, StepState]) -> RunState:
    """This will give what the run ends as: failed, if its undo or one of its `finally` steps did."""
    closing = (*(undo.id for undo in plan.undo_of.values()), *plan.finals)
    has_failed = any(states.get(step) in _WENT_WRONG for step in closing)
    return RunState.FAILED if has_failed else ending


def end_error(
    plan: Plan, *, error: JsonObject | None, is_as_meant: bool, is_undoing: bool, past: Mapping[str, Past]
) -> JsonObject | None:
    """This will give the error a run ends with: the first one, and what was not undone, and which `finally` failed.

    `is_as_meant`: it ends as it would have without its closing, so the first error stays the error. That one is kept
    under `before` as it was.
    """
    rest = list(not_undone(plan, past=past)) if is_undoing else []
    bad = [step for step in plan.finals if step in past and past[step].state in _WENT_WRONG]
    if not rest and not bad:
        return error
    told = [] if error is None else [str(error["message"])]
    told += [f"not undone: {', '.join(rest)}"] if rest else []
    told += [f"failed at the end: {', '.join(bad)}"] if bad else []
    kind, step = ("undo", plan.undo_of[rest[0]].id) if rest else ("finally", bad[0])
    if error is not None and is_as_meant:
        kind, step = str(error["kind"]), error["step"]  # type: ignore[assignment]  # text or null
    return {"kind": kind, "message": "; ".join(told), "step": step, "not_undone": rest, "before": error}


def _calls_for(undo: StepDefinition, *, plan: Plan, past: Mapping[str, Past]) -> bool:
    """Of a `for_each` each item is judged alone, when its undo begins; here it is enough that it began."""
    assert undo.undoes is not None, "only an undo is asked"
    one = past[undo.undoes]
    if plan.graph.steps[undo.undoes].for_each is not None:
        return one.state not in _NEVER_RAN
    is_attempted = undo.undo_when is UndoWhen.ATTEMPTED and one.may_have_happened
    return one.state is StepState.SUCCEEDED or is_attempted
