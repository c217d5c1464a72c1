"""Laws of the chaos script: one seed, one script; strikes keep their distance, and every fault is ended."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.chaos import script
from tests.chaos.script import GAP_S, REST_S, WARM_UP_S, Kind, Script, write


@st.composite
def kinds(draw: st.DrawFn) -> list[Kind]:
    """This will be kinds of faults with names of their own, several of them on one target."""
    names = draw(st.lists(st.integers(0, 60), min_size=1, max_size=20, unique=True))
    return [
        Kind(
            name=f"kind{name}",
            target=draw(st.sampled_from(["worker", "postgres", "rabbitmq", "web"])),
            shortest_s=(shortest := draw(st.floats(0.0, 4.0))),
            longest_s=shortest + draw(st.floats(0.0, 4.0)),
        )
        for name in names
    ]


@st.composite
def scripts(draw: st.DrawFn) -> tuple[Script, list[Kind]]:
    """This will be a script with the kinds it was written from."""
    known = draw(kinds())
    return write(seed=draw(st.integers()), seconds=draw(st.floats(3.0, 120.0)), kinds=known), known


@given(st.integers(), st.floats(3.0, 120.0), kinds())
def test_seed_gives_one_script(seed: int, seconds: float, known: list[Kind]) -> None:
    assert write(seed=seed, seconds=seconds, kinds=known) == write(seed=seed, seconds=seconds, kinds=known)


@given(scripts())
def test_every_fault_lasts_as_its_kind_says_and_ends_before_the_script(written: tuple[Script, list[Kind]]) -> None:
    found, known = written
    by_name = {kind.name: kind for kind in known}
    for strike in found.strikes:
        kind = by_name[strike.kind]
        assert strike.target == kind.target
        assert strike.at_s >= WARM_UP_S
        assert kind.shortest_s - 1e-9 <= strike.until_s - strike.at_s <= kind.longest_s + 1e-9
        assert strike.until_s <= found.seconds


@given(scripts())
def test_strikes_keep_their_distance(written: tuple[Script, list[Kind]]) -> None:
    strikes = written[0].strikes
    for earlier, later in itertools.pairwise(strikes):
        assert later.at_s - earlier.at_s >= GAP_S[0] - 1e-9


@given(scripts())
def test_target_is_struck_by_one_fault_at_a_time(written: tuple[Script, list[Kind]]) -> None:
    strikes = written[0].strikes
    for target in {strike.target for strike in strikes}:
        own = [strike for strike in strikes if strike.target == target]
        for earlier, later in itertools.pairwise(own):
            assert later.at_s >= earlier.until_s + REST_S


@given(scripts())
def test_load_is_known_at_every_moment(written: tuple[Script, list[Kind]]) -> None:
    found, _ = written
    assert found.shifts[0].at_s == 0.0
    assert all(found.rate_at(shift.at_s) == shift.starts_per_s > 0 for shift in found.shifts)
    assert [shift.at_s for shift in found.shifts] == sorted(shift.at_s for shift in found.shifts)


@pytest.mark.parametrize("seconds", [60.0, 120.0])
def test_no_kind_comes_again_before_all_have_come_when_targets_are_free(seconds: float) -> None:
    known = [Kind(name=str(n), target=str(n), shortest_s=0.1, longest_s=0.2) for n in range(7)]

    names = [strike.kind for strike in script.write(seed=3, seconds=seconds, kinds=known).strikes]

    for start in range(0, len(names) - 7, 7):
        assert len(set(names[start : start + 7])) == 7
