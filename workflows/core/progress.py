"""What may run next, decided from what has ended; pure, and the same for every order of completion.

The laws it keeps: a step is decided only from the final states of its own needs; it is decided at the moment
the last of them that matters has ended; what is skipped is skipped at once, with everything behind it. What a
`switch` names runs only if it was chosen.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from workflows.core.definition import StepDefinition
from workflows.core.plan import Plan, Segment
from workflows.core.states import JoinRule, RunState, StepState


class Verdict(Enum):
    """What a join rule says about a step."""

    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """A place of the plan where work may start now."""

    segment: int
    position: int


@dataclass(frozen=True, slots=True)
class Advance:
    """What follows from what has ended: places to start at, steps decided without running, the run's end."""

    ready: tuple[Entry, ...]
    decided: tuple[tuple[str, StepState], ...]
    run_state: RunState | None


@dataclass(frozen=True, slots=True)
class Part:
    """How far a part of a run is: like Advance, with the states of all its ended steps."""

    ready: tuple[Entry, ...]
    decided: tuple[tuple[str, StepState], ...]
    states: Mapping[str, StepState]
    is_over: bool


@dataclass(frozen=True, slots=True)
class Follow:
    """What follows inside a segment: steps decided without running, and where it goes on (None: its end)."""

    decided: tuple[tuple[str, StepState], ...]
    position: int | None


def judge(rule: JoinRule, *, states: Sequence[StepState | None]) -> Verdict:
    """This will apply a join rule to the states of a step's needs (None: not ended).

    `one_*` rules say RUN as soon as they hold; every other verdict needs all states. Upstream failures and
    cancellations count as failed. Source of the names: Airflow's trigger rules.
    """
    ended = [state for state in states if state is not None]
    if not states or _runs_early(rule, ended=ended):
        return Verdict.RUN
    if len(ended) < len(states):
        return Verdict.WAIT
    return _judge_all(rule, ended=ended)


def advance(
    plan: Plan,
    *,
    ended: Mapping[str, StepState],
    active: Set[str],
    chosen: Mapping[str, Set[str]] = MappingProxyType({}),
) -> Advance:
    """This will say what may start, what is decided without running and whether the main part of the run is over.

    `ended` holds the states of the ended steps; `active` the steps that have been started or are next in a
    segment that somebody is working on: they are not decided here. `chosen` has what each succeeded `switch` chose.
    """
    part = go_through(plan, steps=plan.main, ended=ended, active=active, chosen=chosen)
    return Advance(part.ready, part.decided, run_state_of(part.states) if part.is_over else None)


def go_through(
    plan: Plan,
    *,
    steps: Sequence[str],
    ended: Mapping[str, StepState],
    active: Set[str],
    chosen: Mapping[str, Set[str]],
) -> Part:
    """This will say how far a part of the plan is: `steps` stand in topological order, and need each other only."""
    states = {step_id: ended[step_id] for step_id in steps if step_id in ended}
    taken = set(active)
    ready: list[Entry] = []
    decided: list[tuple[str, StepState]] = []
    for step_id in steps:
        if step_id in states or step_id in taken:
            continue
        step = plan.graph.steps[step_id]
        verdict = _switched(plan, step_id=step_id, states=states, chosen=chosen)
        if verdict is Verdict.RUN:
            verdict = judge(step.when, states=[states.get(need) for need in plan.graph.needs[step_id]])
        if verdict is Verdict.RUN:
            segment, position = plan.place_of[step_id]
            ready.append(Entry(segment, position))
            taken.update(plan.segments[segment].steps[position:])
        elif verdict is not Verdict.WAIT:
            states[step_id] = _state_of(verdict)
            decided.append((step_id, states[step_id]))
    return Part(tuple(ready), tuple(decided), states, is_over=not ready and len(states) == len(steps))


def follow(plan: Plan, *, segment: Segment, position: int, state: StepState) -> Follow:
    """This will go on inside a segment after the step at `position` ended in `state`."""
    decided: list[tuple[str, StepState]] = []
    for next_position in range(position + 1, len(segment.steps)):
        step: StepDefinition = plan.graph.steps[segment.steps[next_position]]
        verdict = judge(step.when, states=[state])
        if verdict is Verdict.RUN:
            return Follow(tuple(decided), next_position)
        state = _state_of(verdict)
        decided.append((step.id, state))
    return Follow(tuple(decided), None)


def run_state_of(states: Mapping[str, StepState]) -> RunState:
    """This will give the final state of a run whose steps have all ended: failed if any failed or was stopped."""
    if any(state in (StepState.FAILED, StepState.CANCELLED) for state in states.values()):
        return RunState.FAILED
    return RunState.SUCCEEDED


def _switched(plan: Plan, *, step_id: str, states: Mapping[str, StepState], chosen: Mapping[str, Set[str]]) -> Verdict:
    """What the switches that name a step say of it, before its join rule is asked.

    It waits for all of them, whatever its rule: else it would depend on the order of completion whether it runs.
    """
    switches = plan.switches_of.get(step_id, ())
    for switch in switches:
        if states.get(switch) is StepState.SUCCEEDED and step_id not in chosen.get(switch, ()):
            return Verdict.SKIP
    return Verdict.WAIT if any(switch not in states for switch in switches) else Verdict.RUN


def _runs_early(rule: JoinRule, *, ended: Sequence[StepState]) -> bool:
    match rule:
        case JoinRule.ONE_SUCCESS:
            return StepState.SUCCEEDED in ended
        case JoinRule.ONE_FAILED:
            return any(state.counts_as_failed for state in ended)
        case JoinRule.ONE_DONE:
            return any(state is not StepState.SKIPPED for state in ended)
        case _:
            return False


def _judge_all(rule: JoinRule, *, ended: Sequence[StepState]) -> Verdict:
    failed = any(state.counts_as_failed for state in ended)
    succeeded = StepState.SUCCEEDED in ended
    skipped = StepState.SKIPPED in ended
    holds = {
        JoinRule.ALL_SUCCESS: not failed and not skipped,
        JoinRule.ALL_FAILED: not succeeded and not skipped,
        JoinRule.ALL_DONE: True,
        JoinRule.ALL_DONE_MIN_ONE_SUCCESS: succeeded,
        JoinRule.ALL_SKIPPED: not failed and not succeeded,
        JoinRule.NONE_FAILED: not failed,
        JoinRule.NONE_FAILED_MIN_ONE_SUCCESS: not failed and succeeded,
        JoinRule.NONE_SKIPPED: not skipped,
    }.get(rule, False)
    if holds:
        return Verdict.RUN
    return Verdict.UPSTREAM_FAILED if failed and _wants_success(rule) else Verdict.SKIP


def _wants_success(rule: JoinRule) -> bool:
    return rule in (
        JoinRule.ALL_SUCCESS,
        JoinRule.ONE_SUCCESS,
        JoinRule.ALL_DONE_MIN_ONE_SUCCESS,
        JoinRule.NONE_FAILED,
        JoinRule.NONE_FAILED_MIN_ONE_SUCCESS,
    )


def _state_of(verdict: Verdict) -> StepState:
    return StepState.SKIPPED if verdict is Verdict.SKIP else StepState.UPSTREAM_FAILED
