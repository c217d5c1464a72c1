"""The laws of steps that return steps, over random graphs, random growth and random orders of completion."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from workflows.core import growth
from workflows.core.building import restore_definition
from workflows.core.definition import JsonObject
from workflows.core.plan import Plan, compile_plan, restore_plan
from workflows.core.progress import advance, follow
from workflows.core.states import JoinRule, RunState, StepState

OUTCOMES = (StepState.SUCCEEDED, StepState.FAILED, StepState.SKIPPED)
PATIENT = [rule for rule in JoinRule if not rule.value.startswith("one_")]
Steps = dict[str, JsonObject]


@dataclass
class History:
    """What a simulated run did, in its order."""

    started: list[str] = field(default_factory=list)
    ended: dict[str, StepState] = field(default_factory=dict)
    at_start: dict[str, frozenset[str]] = field(default_factory=dict)
    run_state: RunState | None = None


def steps(draw: st.DrawFn, *, prefix: str, most: int) -> Steps:
    found: Steps = {}
    for number in range(draw(st.integers(min_value=1, max_value=most))):
        needs = draw(st.lists(st.sampled_from(sorted(found)), unique=True, max_size=2)) if found else []
        found[f"{prefix}{number}"] = {
            "uses": "set",
            "needs": needs,
            "when": draw(st.sampled_from(PATIENT)).value,
            "queue": draw(st.sampled_from(["default", "io"])),
        }
    return found


@st.composite
def growing(draw: st.DrawFn) -> tuple[JsonObject, dict[str, Steps]]:
    """This will be a document, and what some of its steps return; of what they return, some return steps again."""
    main = steps(draw, prefix="s", most=7)
    growers = draw(st.lists(st.sampled_from(sorted(main)), unique=True, min_size=1, max_size=2))
    returned = {step: steps(draw, prefix=f"{step}g", most=3) for step in growers}
    again = sorted(returned[growers[0]])[0]
    if draw(st.booleans()):
        returned[again] = steps(draw, prefix=f"{again}h", most=2)
    return {"name": "random", "steps": main}, returned


def simulate(
    document: JsonObject, returned: Mapping[str, Steps], *, oracle: Mapping[str, StepState], order: random.Random
) -> tuple[Plan, History]:
    """Drive a run as workers do: who is at work in a segment goes by the plan it began with."""
    plan = compile_plan(restore_definition(document))
    history = History()
    under_way: list[tuple[Plan, int, int]] = []

    def go_on() -> None:
        active = {step for _, segment, position in under_way for step in plan.segments[segment].steps[position:]}
        follows = advance(plan, ended=history.ended, active=active)
        history.ended.update(follows.decided)
        under_way.extend((plan, entry.segment, entry.position) for entry in follows.ready)
        if follows.run_state is not None and not under_way:
            history.run_state = follows.run_state

    go_on()
    while under_way:
        own, index, position = under_way.pop(order.randrange(len(under_way)))
        segment = own.segments[index]
        step = segment.steps[position]
        history.started.append(step)
        history.at_start[step] = frozenset(history.ended)
        history.ended[step] = oracle.get(step, StepState.SUCCEEDED)
        if step in returned and history.ended[step] is StepState.SUCCEEDED:
            document = growth.grown_document(document, step=step, steps=returned[step])
            definition = restore_definition(document)
            plan = growth.grown_plan(plan, definition=definition, step=step, steps=tuple(returned[step]))
            go_on()
            continue
        behind = follow(own, segment=segment, position=position, state=history.ended[step])
        history.ended.update(behind.decided)
        if behind.position is not None:
            under_way.append((own, index, behind.position))
        else:
            go_on()
    return plan, history


def outcomes(data: st.DataObject, document: JsonObject, returned: Mapping[str, Steps]) -> dict[str, StepState]:
    every = [*document["steps"], *(one for steps in returned.values() for one in steps)]  # type: ignore[misc]  # JSON
    return {step: data.draw(st.sampled_from(OUTCOMES)) for step in every}


@given(growing(), st.randoms(use_true_random=False), st.data())
def test_any_order_of_completion_gives_the_same_final_states(
    grown: tuple[JsonObject, dict[str, Steps]], order: random.Random, data: st.DataObject
) -> None:
    document, returned = grown
    oracle = outcomes(data, document, returned)
    ends = [simulate(document, returned, oracle=oracle, order=random.Random(order.random()))[1] for _ in range(3)]

    assert ends[0].ended == ends[1].ended == ends[2].ended
    assert ends[0].run_state is ends[1].run_state is ends[2].run_state is not None


@given(growing(), st.randoms(use_true_random=False), st.data())
def test_what_is_returned_comes_after_its_step_and_before_what_stood_behind_it(
    grown: tuple[JsonObject, dict[str, Steps]], order: random.Random, data: st.DataObject
) -> None:
    document, returned = grown
    plan, history = simulate(document, returned, oracle=outcomes(data, document, returned), order=order)

    assert set(history.ended) == set(plan.graph.steps)
    assert len(history.started) == len(set(history.started))
    for step, seen in history.at_start.items():
        assert plan.graph.upstream(step) <= seen
    for step, new in plan.grown.items():
        for other in document["steps"]:  # type: ignore[union-attr]  # JSON
            if step in plan.graph.needs[other]:  # type: ignore[index]  # JSON
                assert set(new) <= set(plan.graph.needs[other])  # type: ignore[index]  # JSON


@given(growing(), st.randoms(use_true_random=False), st.data())
def test_what_there_was_keeps_its_place(
    grown: tuple[JsonObject, dict[str, Steps]], order: random.Random, data: st.DataObject
) -> None:
    document, returned = grown
    before = compile_plan(restore_definition(document))
    plan, _ = simulate(document, returned, oracle=outcomes(data, document, returned), order=order)

    assert plan.segments[: len(before.segments)] == before.segments
    covered = [step for segment in plan.segments for step in segment.steps]
    assert sorted(covered) == sorted(plan.graph.steps)
    restored = restore_plan(plan.definition, document=plan.document(), grown=plan.grown)
    assert (restored.segments, restored.grown, restored.digest) == (plan.segments, plan.grown, plan.digest)
