"""Validation and documents: what holds for any graph, any JSON and any text."""

import itertools
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core.definition import JsonValue
from workflows.core.order import find_cycles, upstream_of
from workflows.core.problems import DefinitionInvalid
from workflows.documents import content_hash, parse_document
from workflows.validation import BUILT_IN_USES, find_problems, parse_definition

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2000)
    | st.sampled_from(["set", "python", "a", "b", "5m", "x y", "${{ input.x }}", "${{ steps.a.output }}", "${{"])
)
KEYS = st.sampled_from(
    ["name", "steps", "input", "output", "deadline", "defaults", "retry", "needs", "uses", "with"]
) | st.sampled_from(["if", "for_each", "parallel", "when", "timeout", "a", "b", "call", "args", "on", "X!"])
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)


@st.composite
def acyclic_needs(draw: st.DrawFn) -> dict[str, list[str]]:
    """This will give up to 12 steps, each with needs among those before it, in any order."""
    count = draw(st.integers(1, 12))
    needs = {
        f"s{number}": sorted(draw(st.sets(st.integers(0, number - 1)))) if number else [] for number in range(count)
    }
    shuffled = draw(st.permutations(sorted(needs)))
    return {step: [f"s{need}" for need in needs[step]] for step in shuffled}


def reachable(needs: dict[str, list[str]], start: str) -> set[str]:
    """This will walk the needs, the plain way."""
    found: set[str] = set()
    waiting = list(needs[start])
    while waiting:
        step = waiting.pop()
        if step not in found:
            found.add(step)
            waiting.extend(needs[step])
    return found


@given(acyclic_needs())
def test_upstream_is_everything_reachable_over_needs(needs: dict[str, list[str]]) -> None:
    upstream = upstream_of(needs)

    assert find_cycles(needs) == ()
    assert {step: set(steps) for step, steps in upstream.items()} == {step: reachable(needs, step) for step in needs}


@given(acyclic_needs())
def test_a_step_may_look_at_exactly_what_is_upstream(needs: dict[str, list[str]]) -> None:
    for step in needs:
        looks: dict[str, JsonValue] = {other: f"${{{{ steps.{other}.output }}}}" for other in needs}
        steps: dict[str, JsonValue] = {other: {"uses": "set", "needs": needs[other]} for other in needs}
        steps[step] = {"uses": "set", "needs": needs[step], "with": looks}
        problems = find_problems({"name": "x", "steps": steps}, uses={})

        assert {problem.path.rpartition(".")[2] for problem in problems} == set(needs) - reachable(needs, step)


@given(acyclic_needs(), st.data())
def test_every_cycle_is_found_and_is_one(needs: dict[str, list[str]], data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(sorted(needs)))
    start = data.draw(st.sampled_from(sorted(reachable(needs, end) | {end})))
    needs = {**needs, start: [*needs[start], end]}
    cycles = find_cycles(needs)

    assert cycles
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(after in needs[before] for before, after in itertools.pairwise(cycle))


@settings(max_examples=300)
@given(st.dictionaries(KEYS, ANYTHING, max_size=6))
def test_any_json_is_judged_and_never_breaks_the_judge(document: dict[str, JsonValue]) -> None:
    problems = find_problems(document, uses=BUILT_IN_USES, functions=frozenset())

    assert all(problem.path.startswith("$") and problem.message for problem in problems)
    if not problems:
        parse_definition(document, uses=BUILT_IN_USES, functions=frozenset())


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, ANYTHING, max_size=4), max_size=3))
def test_any_steps_are_judged_and_what_is_accepted_can_be_built(steps: dict[str, JsonValue]) -> None:
    document: dict[str, JsonValue] = {"name": "x", "steps": steps}
    problems = find_problems(document, uses=BUILT_IN_USES)

    if not problems:
        assert len(parse_definition(document, uses=BUILT_IN_USES).steps) == len(steps)


@given(st.text(string.printable, max_size=60) | st.text("{}[]:,-&*!'\"a1 \n\t#?|>", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parsed = parse_document(text)
    except DefinitionInvalid:
        return
    assert len(content_hash(parsed.document)) == 64
