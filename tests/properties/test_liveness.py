"""Laws of judging whether a process does its work."""

from hypothesis import given
from hypothesis import strategies as st

from automation.liveness import Look, Vitals, not_consuming, standing_still

instants = st.floats(0, 1e6)
looks = st.builds(Look, waiting=st.integers(0, 3), consumers=st.integers(0, 2))
lane_names = st.sampled_from(["critical", "default", "bulk"])
lanes = st.dictionaries(lane_names, st.tuples(st.integers(0, 3), instants), max_size=3)
parts = st.dictionaries(st.sampled_from(["loop", "dispatch"]), st.tuples(instants, st.floats(0, 100)), max_size=2)
vitals = st.builds(
    Vitals,
    pid=st.integers(1, 9),
    is_ending=st.booleans(),
    beats=parts,
    lanes=lanes,
    room=st.integers(0, 3),
    silent=st.dictionaries(st.sampled_from(["7", "8"]), instants, max_size=2),
)


@given(vitals)
def test_what_is_written_is_read(one: Vitals) -> None:
    assert Vitals.read(one.document()) == one


@given(vitals, instants, st.floats(0, 1000), st.floats(0, 1000))
def test_more_patience_finds_no_more_fault(one: Vitals, now: float, patience_s: float, more_s: float) -> None:
    assert len(standing_still(one, now=now, patience_s=patience_s + more_s)) <= len(
        standing_still(one, now=now, patience_s=patience_s)
    )


@given(vitals, instants)
def test_every_fault_is_older_than_the_patience(one: Vitals, now: float) -> None:
    found = standing_still(one, now=now, patience_s=10)
    late = [at for at, rest in one.beats.values() if now - at - rest > 10]
    silent = [since for since in one.silent.values() if now - since > 10]

    assert len(found) == (0 if one.is_ending else len(late) + len(silent))


@given(vitals, st.dictionaries(lane_names, looks))
def test_lane_with_a_consumer_and_nothing_waiting_is_well(one: Vitals, seen: dict[str, Look]) -> None:
    well = {lane: Look(waiting=0, consumers=max(1, look.consumers)) for lane, look in seen.items()}

    assert not not_consuming(one, one, first=well, second=seen)
    assert not not_consuming(one, one, first=seen, second=well)


@given(vitals, st.dictionaries(lane_names, looks))
def test_taking_a_message_proves_consumption(one: Vitals, seen: dict[str, Look]) -> None:
    later = Vitals(pid=one.pid, lanes={lane: (held, at + 1) for lane, (held, at) in one.lanes.items()}, room=one.room)
    busy = {lane: Look(waiting=look.waiting, consumers=max(1, look.consumers)) for lane, look in seen.items()}

    assert not not_consuming(one, later, first=busy, second=busy)
