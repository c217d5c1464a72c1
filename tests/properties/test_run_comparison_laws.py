"""Laws of two runs side by side: a run is like itself, sides can change places, every step stands there once."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.comparison import RunSide, StepSide, compare_runs

AT = datetime(2026, 1, 1, tzinfo=UTC)
atoms = st.sampled_from([None, True, 1, 0, "", "a"])
values = atoms | st.lists(atoms, max_size=2) | st.dictionaries(st.sampled_from("ab"), atoms, max_size=2)
lengths = st.none() | st.integers(0, 100).map(float)
step_sides = st.builds(
    StepSide,
    state=st.sampled_from(["succeeded", "failed", "skipped", "running"]),
    attempts=st.integers(0, 5),
    duration_s=lengths,
    output=values,
    error=st.none() | values,
    items=st.sampled_from([{}, {"succeeded": 2}, {"failed": 1}]),
)
run_sides = st.builds(
    RunSide,
    id=st.just("r"),
    workflow=st.sampled_from(["one", "two"]),
    version=st.integers(1, 3),
    state=st.sampled_from(["succeeded", "failed", "running"]),
    started_at=st.just(AT),
    duration_s=lengths,
    input=values,
    output=values,
    error=st.none() | values,
    steps=st.dictionaries(st.sampled_from("pqr"), step_sides, max_size=3),
)


@given(side=run_sides, other_length=lengths)
def test_run_is_like_itself_however_long_it_took(side: RunSide, other_length: float | None) -> None:
    slower = replace(
        side,
        duration_s=other_length,
        steps={name: replace(one, duration_s=other_length) for name, one in side.steps.items()},
    )

    found = compare_runs(side, slower)

    assert found.is_same
    assert found.diverges_at == ""
    assert not [pair for pair in found.steps if not pair.is_same_way]


@given(left=run_sides, right=run_sides)
def test_sides_can_change_places(left: RunSide, right: RunSide) -> None:
    there, back = compare_runs(left, right), compare_runs(right, left)

    assert there.is_same == back.is_same
    assert {pair.step: pair.is_same for pair in there.steps} == {pair.step: pair.is_same for pair in back.steps}
    assert (there.slower_s is None) == (back.slower_s is None)
    assert there.slower_s is None or there.slower_s == -(back.slower_s or 0.0)


@given(left=run_sides, right=run_sides)
def test_every_step_of_both_stands_there_once_in_the_order_of_the_left(left: RunSide, right: RunSide) -> None:
    names = [pair.step for pair in compare_runs(left, right).steps]

    assert names[: len(left.steps)] == list(left.steps)
    assert sorted(names) == sorted(left.steps.keys() | right.steps.keys())


@given(left=run_sides, right=run_sides)
def test_what_is_the_same_shows_no_difference_and_what_is_not_shows_one(left: RunSide, right: RunSide) -> None:
    found = compare_runs(left, right)

    assert bool(found.input) == (not _alike(left.input, right.input))
    assert bool(found.output) == (not _alike(left.output, right.output))
    if found.is_same:
        assert found.diverges_at == ""
        assert (left.workflow, left.state, list(left.steps)) == (right.workflow, right.state, _ordered(left, right))
    first = next((pair.step for pair in found.steps if not pair.is_same), "")
    assert found.diverges_at == first


def _ordered(left: RunSide, right: RunSide) -> list[str]:
    return [name for name in left.steps if name in right.steps]


def _alike(left: object, right: object) -> bool:
    """As JSON has it: true is not 1."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_alike, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_alike(left[key], right[key]) for key in left)
    return type(left) is type(right) and left == right
