"""Laws of correlation: what a step receives depends on what was published and when, and on nothing else."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.correlation import Choice, Event, MatchFailed, Wanted, choose

ZERO = datetime(2026, 1, 1, tzinfo=UTC)
minutes = st.integers(min_value=0, max_value=20)


def at(minute: int) -> datetime:
    """This will be an instant."""
    return ZERO + timedelta(minutes=minute)


@st.composite
def published(draw: st.DrawFn) -> list[Event]:
    """This will draw events of few types and keys, each with a name of its own."""
    drawn = draw(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), minutes, minutes), max_size=12))
    return [
        Event(
            row=UUID(int=number),
            id=str(number),
            source="s",
            type=event_type,
            key=key,
            subject="",
            time=None,
            data=number,
            attributes={},
            received_at=at(minute),
            expires_at=at(minute + ttl),
        )
        for number, (event_type, key, minute, ttl) in enumerate(drawn)
    ]


wanted = st.builds(
    lambda since, length: Wanted(
        type="a", key="x", since=at(since), until=None if length is None else at(since + length)
    ),
    minutes,
    st.none() | minutes,
)


def even(event: Event) -> bool:
    """This will match every second event, and fail on every fifth."""
    if int(event.id) % 5 == 4:
        raise MatchFailed("no such thing")
    return int(event.id) % 2 == 0


def first_choice(wait: Wanted, *, events: list[Event], looks: list[int]) -> Choice:
    """This will be what a step receives that looks at these times, and once more when all has come."""
    for minute in sorted(looks):
        seen = [event for event in events if event.received_at <= at(minute)]
        choice = choose(wait, events=seen, matches=even)
        if choice.event is not None:
            return choice
    return choose(wait, events=events, matches=even)


@given(events=published(), wait=wanted, looks=st.lists(st.integers(0, 50), max_size=5))
def test_what_is_received_does_not_depend_on_when_somebody_looks(
    events: list[Event], wait: Wanted, looks: list[int]
) -> None:
    assert first_choice(wait, events=events, looks=looks).event == choose(wait, events=events, matches=even).event


@given(events=published(), wait=wanted, data=st.data())
def test_neither_order_nor_repetition_of_events_changes_what_is_received(
    events: list[Event], wait: Wanted, data: st.DataObject
) -> None:
    again = data.draw(st.permutations([*events, *events]))

    assert choose(wait, events=again, matches=even) == choose(wait, events=events, matches=even)


@given(events=published(), wait=wanted)
def test_what_is_received_fits_and_nothing_older_does(events: list[Event], wait: Wanted) -> None:
    def fits(event: Event) -> bool:
        return wait.is_met_by(event) and int(event.id) % 2 == 0 and int(event.id) % 5 != 4

    chosen = choose(wait, events=events, matches=even).event

    fitting = [event for event in events if fits(event)]
    assert (chosen is None) == (not fitting)
    if chosen is not None:
        assert chosen in fitting
        assert all(chosen.received_at <= event.received_at for event in fitting)


@given(events=published(), wait=wanted)
def test_event_in_time_is_received_however_short_it_lives(events: list[Event], wait: Wanted) -> None:
    in_time = [
        event
        for event in events
        if (event.type, event.key) == ("a", "x")
        and event.received_at < event.expires_at
        and event.received_at >= wait.since
        and (wait.until is None or event.received_at < wait.until)
    ]

    assert all(wait.is_met_by(event) for event in in_time)


@given(events=published(), wait=wanted)
def test_those_passed_over_are_those_that_fit_and_do_not_match(events: list[Event], wait: Wanted) -> None:
    choice = choose(wait, events=events, matches=even)

    assert choice.passed_over <= sum(wait.is_met_by(event) for event in events)
    if choice.event is None:
        assert choice.passed_over == sum(wait.is_met_by(event) for event in events)
