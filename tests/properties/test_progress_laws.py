"""The laws of progress, over random graphs (series-parallel or not) and random orders of completion."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from hypothesis import given
from hypothesis import strategies as st

from workflows.core import switching
from workflows.core.definition import Definition, StepDefinition
from workflows.core.plan import Plan, compile_plan, restore_plan
from workflows.core.progress import Verdict, advance, follow, judge
from workflows.core.states import JoinRule, RunState, StepState

OUTCOMES = (StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED)


@dataclass
class History:
    """What a simulated run did."""

    started: list[str] = field(default_factory=list)
    ended: dict[str, StepState] = field(default_factory=dict)
    run_state: RunState | None = None


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    size = draw(st.integers(min_value=1, max_value=12))
    steps = []
    for number in range(size):
        earlier = [f"s{other}" for other in range(number)]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        steps.append(
            StepDefinition(
                id=f"s{number}",
                uses="set",
                needs=tuple(needs),
                when=draw(st.sampled_from(list(JoinRule))),
                queue=draw(st.sampled_from(["default", "io"])),
            )
        )
    return Definition(name="random", steps=tuple(draw(switched(step, steps=steps)) for step in steps))


@st.composite
def switched(draw: st.DrawFn, step: StepDefinition, *, steps: list[StepDefinition]) -> StepDefinition:
    """This will make some steps a switch, which names some of those that need it and chooses some of these."""
    dependents = [other.id for other in steps if step.id in other.needs]
    if not dependents or not draw(st.booleans()):
        return step
    named = draw(st.lists(st.sampled_from(dependents), unique=True))
    chosen = draw(st.lists(st.sampled_from(named), unique=True)) if named else []
    inputs = {"value": "none", "cases": {"a": named}, "default": chosen}
    return replace(step, uses=switching.USES, inputs=inputs)


def chosen_in(plan: Plan, ended: Mapping[str, StepState]) -> dict[str, frozenset[str]]:
    """This will give what the switches chose that have succeeded."""
    return {
        switch: switching.chosen_of(switching.choose(plan.graph.steps[switch].inputs))
        for switch in plan.switches
        if ended.get(switch) is StepState.SUCCEEDED
    }


def simulate(plan: Plan, *, oracle: Mapping[str, StepState], order: random.Random) -> History:
    """Drive the plan as workers do: segments under way in any order, one step at a time."""
    history = History()
    under_way: list[tuple[int, int]] = []

    def go_on() -> None:
        active = {step for segment, position in under_way for step in plan.segments[segment].steps[position:]}
        follows = advance(plan, ended=history.ended, active=active, chosen=chosen_in(plan, history.ended))
        history.ended.update(follows.decided)
        for entry in follows.ready:
            under_way.append((entry.segment, entry.position))
        if follows.run_state is not None and not under_way:
            history.run_state = follows.run_state

    go_on()
    while under_way:
        segment_index, position = under_way.pop(order.randrange(len(under_way)))
        segment = plan.segments[segment_index]
        step = segment.steps[position]
        needs = [history.ended.get(need) for need in plan.graph.needs[step]]
        assert judge(plan.graph.steps[step].when, states=needs) is Verdict.RUN
        history.started.append(step)
        history.ended[step] = oracle[step]
        behind = follow(plan, segment=segment, position=position, state=oracle[step])
        history.ended.update(behind.decided)
        if behind.position is not None:
            under_way.append((segment_index, behind.position))
        else:
            go_on()
    return history


@given(definitions(), st.randoms(use_true_random=False), st.data())
def test_any_order_of_completion_gives_the_same_final_states(
    definition: Definition, order: random.Random, data: st.DataObject
) -> None:
    plan = compile_plan(definition)
    oracle = {step.id: data.draw(st.sampled_from(OUTCOMES)) for step in definition.steps}
    histories = [simulate(plan, oracle=oracle, order=random.Random(order.random())) for _ in range(3)]

    assert histories[0].ended == histories[1].ended == histories[2].ended
    assert {history.run_state for history in histories} == {histories[0].run_state}


@given(definitions(), st.randoms(use_true_random=False), st.data())
def test_every_step_ends_exactly_once_and_the_run_ends(
    definition: Definition, order: random.Random, data: st.DataObject
) -> None:
    plan = compile_plan(definition)
    oracle = {step.id: data.draw(st.sampled_from(OUTCOMES)) for step in definition.steps}
    history = simulate(plan, oracle=oracle, order=order)

    assert set(history.ended) == {step.id for step in definition.steps}
    assert len(history.started) == len(set(history.started))
    assert history.run_state is not None


@given(definitions(), st.randoms(use_true_random=False), st.data())
def test_exactly_the_chosen_branch_runs(definition: Definition, order: random.Random, data: st.DataObject) -> None:
    """What a switch names and did not choose is skipped; what it chose is judged as if there were no switch."""
    plan = compile_plan(definition)
    oracle = {step.id: data.draw(st.sampled_from(OUTCOMES)) for step in definition.steps}
    history = simulate(plan, oracle=oracle, order=order)
    chosen = chosen_in(plan, history.ended)

    for step, switches in plan.switches_of.items():
        decided = [switch for switch in switches if switch in chosen]
        if any(step not in chosen[switch] for switch in decided):
            assert step not in history.started
            assert history.ended[step] is StepState.SKIPPED
        else:
            needs = [history.ended[need] for need in plan.graph.needs[step]]
            verdict = judge(plan.graph.steps[step].when, states=needs)
            assert (step in history.started) is (verdict is Verdict.RUN)


@given(definitions())
def test_no_step_waits_for_more_than_its_needs(definition: Definition) -> None:
    """When exactly the ancestors of a step have succeeded, it is ready or behind a ready one in its segment."""
    plan = compile_plan(definition)
    for step in definition.steps:
        ended = dict.fromkeys(plan.graph.upstream(step.id), StepState.SUCCEEDED)
        verdict = judge(step.when, states=[ended[need] for need in step.needs])
        chosen = chosen_in(plan, ended)
        held_back = any(step.id not in chosen.get(switch, ()) for switch in plan.switches_of.get(step.id, ()))
        if verdict is not Verdict.RUN or held_back:
            continue
        follows = advance(plan, ended=ended, active=frozenset(), chosen=chosen)
        places = {(entry.segment, entry.position) for entry in follows.ready}
        assert plan.place_of[step.id] in places


@given(definitions())
def test_segments_cover_every_step_once_and_stay_on_one_lane(definition: Definition) -> None:
    plan = compile_plan(definition)
    covered = [step for segment in plan.segments for step in segment.steps]

    assert sorted(covered) == sorted(step.id for step in definition.steps)
    for segment in plan.segments:
        assert {plan.graph.steps[step].queue for step in segment.steps} == {segment.lane}


@given(definitions())
def test_a_stored_plan_comes_back_the_same(definition: Definition) -> None:
    plan = compile_plan(definition)
    restored = restore_plan(definition, document=plan.document())

    assert restored.segments == plan.segments
    assert restored.digest == plan.digest


@given(st.sampled_from(list(JoinRule)), st.lists(st.sampled_from(list(StepState)), min_size=1, max_size=5))
def test_a_verdict_does_not_depend_on_the_order_of_needs(rule: JoinRule, states: list[StepState]) -> None:
    assert judge(rule, states=states) is judge(rule, states=states[::-1])


@given(st.sampled_from(list(JoinRule)), st.lists(st.sampled_from(list(StepState)), min_size=1, max_size=5))
def test_an_early_verdict_is_never_taken_back(rule: JoinRule, states: list[StepState]) -> None:
    partial: list[StepState | None] = [None] * len(states)
    early = Verdict.WAIT
    for position, state in enumerate(states):
        partial[position] = state
        verdict = judge(rule, states=partial)
        assert early is Verdict.WAIT or verdict is early
        early = verdict
    assert early is not Verdict.WAIT
