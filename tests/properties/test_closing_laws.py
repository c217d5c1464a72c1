"""The laws of the end of a run, over random graphs, outcomes and orders of completion."""

import itertools
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflows.core import closing
from workflows.core.closing import Past
from workflows.core.definition import Definition, StepDefinition, undo_id
from workflows.core.plan import Plan, compile_plan, restore_plan
from workflows.core.states import JoinRule, Phase, RunState, StepState, UndoWhen

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OUTCOMES = (StepState.SUCCEEDED, StepState.FAILED)
ENDINGS = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


@dataclass
class History:
    """What a simulated end of a run did, in its order."""

    begun: list[str] = field(default_factory=list)
    past: dict[str, Past] = field(default_factory=dict)
    run_state: RunState | None = None


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    main = _steps(draw, prefix="s", phase=Phase.MAIN)
    undone = [step.id for step in main if draw(st.booleans())]
    return Definition(
        name="random",
        steps=main,
        undo_steps=tuple(
            StepDefinition(
                id=undo_id(step),
                uses="set",
                phase=Phase.UNDO,
                undoes=step,
                undo_when=draw(st.sampled_from(list(UndoWhen))),
            )
            for step in undone
        ),
        finally_steps=_steps(draw, prefix="f", phase=Phase.FINALLY),
    )


def _steps(draw: st.DrawFn, *, prefix: str, phase: Phase) -> tuple[StepDefinition, ...]:
    steps = []
    for number in range(draw(st.integers(min_value=1 if phase is Phase.MAIN else 0, max_value=6))):
        earlier = [f"{prefix}{other}" for other in range(number)]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=2)) if earlier else []
        steps.append(
            StepDefinition(
                id=f"{prefix}{number}",
                uses="set",
                needs=tuple(needs),
                when=draw(st.sampled_from([JoinRule.ALL_SUCCESS, JoinRule.ALL_DONE])),
                phase=phase,
            )
        )
    return tuple(steps)


@st.composite
def histories(draw: st.DrawFn, plan: Plan) -> dict[str, Past]:
    """Main steps that have ended, needs before what needs them, on clocks that may be wrong."""
    return {
        step: Past(
            state=draw(st.sampled_from(list(StepState))),
            ended_at=BEGIN + timedelta(seconds=draw(st.integers(min_value=0, max_value=9))),
            may_have_happened=draw(st.booleans()),
        )
        for step in plan.main
    }


def simulate(
    plan: Plan,
    *,
    main: Mapping[str, Past],
    ending: RunState,
    is_undoing: bool,
    oracle: Mapping[str, StepState],
    order: random.Random,
) -> History:
    """Drive the end of a run as workers do: what is ready in any order, one step at a time."""
    history = History(past=dict(main))
    under_way: list[str] = []
    for clock in range(1_000):
        follows = closing.advance(
            plan, ending=ending, is_undoing=is_undoing, past=history.past, active=_active(plan, under_way)
        )
        for step, state in follows.decided:
            history.past[step] = Past(state=state, ended_at=BEGIN + timedelta(minutes=clock))
        under_way.extend(plan.segments[entry.segment].steps[entry.position] for entry in follows.ready)
        if follows.run_state is not None:
            assert not under_way
            history.run_state = follows.run_state
            return history
        assert under_way, "a run that has not ended waits for something"
        step = under_way.pop(order.randrange(len(under_way)))
        history.begun.append(step)
        history.past[step] = Past(state=oracle[step], ended_at=BEGIN + timedelta(minutes=clock))
        segment, position = plan.place_of[step]
        behind = plan.segments[segment].steps[position + 1 :]
        if behind and oracle[step] is StepState.SUCCEEDED:
            under_way.append(behind[0])
    raise AssertionError("it does not end")


def _active(plan: Plan, under_way: list[str]) -> set[str]:
    """As the engine sees it: a step in somebody's hands, and what comes behind it in its segment."""
    places = [plan.place_of[step] for step in under_way]
    return {step for segment, position in places for step in plan.segments[segment].steps[position:]}


def _drawn(data: st.DataObject, definition: Definition) -> tuple[Plan, dict[str, Past], dict[str, StepState]]:
    plan = compile_plan(definition)
    main = data.draw(histories(plan))
    oracle = {step.id: data.draw(st.sampled_from(OUTCOMES)) for step in definition.all_steps}
    return plan, main, oracle


@given(definitions(), st.sampled_from(ENDINGS), st.booleans(), st.randoms(use_true_random=False), st.data())
def test_any_order_of_completion_ends_the_run_in_the_same_way(
    definition: Definition, ending: RunState, is_undoing: bool, order: random.Random, data: st.DataObject
) -> None:
    plan, main, oracle = _drawn(data, definition)
    ends = [
        simulate(
            plan,
            main=main,
            ending=ending,
            is_undoing=is_undoing,
            oracle=oracle,
            order=random.Random(order.random()),
        )
        for _ in range(3)
    ]

    assert ends[0].run_state is ends[1].run_state is ends[2].run_state
    assert len({tuple(sorted((step, past.state) for step, past in end.past.items())) for end in ends}) == 1


@given(definitions(), st.sampled_from(ENDINGS), st.booleans(), st.randoms(use_true_random=False), st.data())
def test_undo_goes_backwards_each_step_once_and_before_finally(
    definition: Definition, ending: RunState, is_undoing: bool, order: random.Random, data: st.DataObject
) -> None:
    plan, main, oracle = _drawn(data, definition)
    end = simulate(plan, main=main, ending=ending, is_undoing=is_undoing, oracle=oracle, order=order)
    undos = [step for step in end.begun if plan.graph.steps[step].phase is Phase.UNDO]
    wanted = [undo_id(step) for step in closing.to_undo(plan, past=main)] if is_undoing else []
    broken = next((number for number, step in enumerate(wanted) if oracle[step] is StepState.FAILED), len(wanted))

    assert undos == wanted[: broken + 1]
    assert end.begun[: len(undos)] == undos
    assert len(set(end.begun)) == len(end.begun)
    for later, earlier in itertools.pairwise(undos):
        later_step, earlier_step = plan.graph.steps[later].undoes, plan.graph.steps[earlier].undoes
        assert later_step is not None
        assert earlier_step is not None
        assert later_step not in plan.graph.upstream(earlier_step), "what was built on goes last"


@given(definitions(), st.sampled_from(ENDINGS), st.booleans(), st.randoms(use_true_random=False), st.data())
def test_finally_is_done_in_every_ending_and_only_its_failure_changes_it(
    definition: Definition, ending: RunState, is_undoing: bool, order: random.Random, data: st.DataObject
) -> None:
    plan, main, oracle = _drawn(data, definition)
    end = simulate(plan, main=main, ending=ending, is_undoing=is_undoing, oracle=oracle, order=order)
    closed = {step: past.state for step, past in end.past.items() if plan.graph.steps[step].phase is not Phase.MAIN}

    assert set(plan.finals) <= set(closed)
    has_failed = StepState.FAILED in closed.values()
    assert end.run_state is (RunState.FAILED if has_failed else ending)


@given(definitions(), st.data())
def test_nothing_is_undone_while_a_main_step_is_at_work(definition: Definition, data: st.DataObject) -> None:
    plan, main, _ = _drawn(data, definition)
    busy = data.draw(st.sampled_from(plan.main))
    past = {step: one for step, one in main.items() if step != busy}

    follows = closing.advance(plan, ending=RunState.FAILED, is_undoing=True, past=past, active={busy})

    assert (follows.ready, follows.decided, follows.run_state) == ((), (), None)


@given(definitions())
def test_a_stored_plan_with_an_end_comes_back_the_same(definition: Definition) -> None:
    plan = compile_plan(definition)
    restored = restore_plan(definition, document=plan.document())

    assert restored.segments == plan.segments
    phases = [plan.phase_of(segment.index) for segment in plan.segments]
    assert phases == sorted(phases, key=list(Phase).index)
