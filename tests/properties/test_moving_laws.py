"""Laws of moves: a run that was moved ends as a run of the new version would have, given the same results."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from workflows.core import progress
from workflows.core.definition import Definition, StepDefinition
from workflows.core.moving import Position, active_after, why_not
from workflows.core.plan import Plan, compile_plan
from workflows.core.states import JoinRule, StepState

_RULES = st.sampled_from([JoinRule.ALL_SUCCESS, JoinRule.ALL_DONE, JoinRule.NONE_FAILED])
_ENDS = st.sampled_from([StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED])
_NAMES = ("a", "b", "c", "d", "e", "f")


@st.composite
def steps(draw: st.DrawFn) -> StepDefinition:
    """This will draw the meaning of a step, without its place."""
    return StepDefinition(id="x", uses="set", when=draw(_RULES), inputs={"v": draw(st.integers(0, 1))})


@st.composite
def definitions(draw: st.DrawFn, shared: Mapping[str, StepDefinition] | None = None) -> dict[str, StepDefinition]:
    """This will draw steps that need earlier ones; those of `shared` mostly stay as they were."""
    found: dict[str, StepDefinition] = {}
    for name in _NAMES[: draw(st.integers(1, 6))]:
        if shared is not None and name in shared and set(shared[name].needs) <= set(found) and draw(st.integers(0, 3)):
            found[name] = shared[name]
            continue
        one = draw(steps())
        needs = tuple(other for other in found if draw(st.booleans()))
        found[name] = StepDefinition(id=name, uses="set", needs=needs, when=one.when, inputs=one.inputs)
    return found


def plan_of(found: Mapping[str, StepDefinition]) -> Plan:
    """This will compile steps."""
    return compile_plan(Definition(name="w", steps=tuple(found.values())))


def go_on(
    plan: Plan, *, ended: dict[str, StepState], begun: frozenset[str], ends: Mapping[str, StepState], most: int
) -> dict[str, StepState]:
    """This will end at most so many steps as `ends` says, those under way first."""
    ended, under_way = dict(ended), set(begun)
    for _ in range(most):
        active = active_after(plan, begun=under_way)
        advance = progress.advance(plan, ended=ended, active=active)
        ended.update(advance.decided)
        ready = [plan.segments[entry.segment].steps[entry.position] for entry in advance.ready]
        step = next(iter([*sorted(under_way), *ready]), None)
        if step is None:
            return ended
        under_way.discard(step)
        ended[step] = ends[step]
    return ended


@given(data=st.data(), before=definitions(), ends=st.fixed_dictionaries(dict.fromkeys(_NAMES, _ENDS)))
def test_moved_run_ends_as_a_run_of_the_new_version(
    data: st.DataObject, before: dict[str, StepDefinition], ends: dict[str, StepState]
) -> None:
    old, new = plan_of(before), plan_of(data.draw(definitions(before)))
    ended = go_on(old, ended={}, begun=frozenset(), ends=ends, most=data.draw(st.integers(0, 4)))
    advance = progress.advance(old, ended=ended, active=frozenset())
    ready = [old.segments[entry.segment].steps[entry.position] for entry in advance.ready]
    begun = frozenset(step for step in ready if data.draw(st.booleans()))

    if not why_not(old, new, at=Position(ended=ended, begun=begun)):
        moved = go_on(new, ended=ended, begun=begun, ends=ends, most=20)
        assert moved == go_on(new, ended={}, begun=frozenset(), ends=ends, most=20)


@given(before=definitions(), after=definitions())
def test_run_that_has_done_nothing_may_always_move(
    before: dict[str, StepDefinition], after: dict[str, StepDefinition]
) -> None:
    assert not why_not(plan_of(before), plan_of(after), at=Position(ended={}, begun=frozenset()))


@given(before=definitions(), ends=_ENDS)
def test_run_may_always_move_to_what_it_has(before: dict[str, StepDefinition], ends: StepState) -> None:
    plan = plan_of(before)
    at = Position(ended=dict.fromkeys(plan.main[:3], ends), begun=frozenset(plan.main[3:]))

    assert not why_not(plan, plan, at=at)
