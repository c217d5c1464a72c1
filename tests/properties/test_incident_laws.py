"""The laws of incidents: equal failures share a fingerprint, and only the success of their work closes an incident."""

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.fingerprint import HOLE, fingerprint, template
from workflows.core.states import INCIDENT_TRANSITIONS, IncidentState
from workflows.core.trial import Evidence, state_after

words = st.text(st.characters(categories=["Lu", "Ll"], exclude_characters="ªº"), min_size=1, max_size=12).filter(
    lambda word: len(word) < 8
)
plain = st.text(st.characters(exclude_categories=["Cs", "Nd"], exclude_characters="\"'`"), max_size=20)
quoted = st.tuples(st.sampled_from("\"'`"), plain).map(lambda pair: f"{pair[0]}{pair[1]}{pair[0]}")
hexadecimal = st.integers(0, 2**160).map(lambda number: f"{number:040x}")
VALUES = (
    st.integers(-(10**12), 10**12).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.uuids().map(str),
    st.datetimes().map(lambda moment: moment.isoformat()),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}+00:00"),
    st.ip_addresses(v=4).map(str),
    hexadecimal,
    hexadecimal.map(lambda text: f"0x{text}"),
    st.tuples(words, st.integers(0, 10**6)).map(lambda pair: f"ord{pair[1]}"),
    quoted,
)
joints = st.sampled_from([" ", ": ", ", ", " (", ") ", "=", " at "])
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
evidence = st.builds(Evidence, has_open=st.booleans(), has_pending=st.booleans(), has_succeeded=st.booleans())
states = st.sampled_from(IncidentState)


@st.composite
def twins(draw: st.DrawFn) -> tuple[str, str]:
    """This will be two messages that differ in values only, each value in place of one of its own sort."""
    first, second = "", ""
    for _ in range(draw(st.integers(1, 6))):
        word, joint, sort = draw(words), draw(joints), draw(st.sampled_from(VALUES))
        one, other = draw(sort), draw(sort)
        first += f"{word}{joint}{one} "
        second += f"{word}{joint}{other} "
    return first, second


@given(any_text)
def test_template_of_a_template_is_itself(message: str) -> None:
    assert template(template(message)) == template(message)


@given(twins())
def test_messages_that_differ_in_values_only_are_the_same_failure(pair: tuple[str, str]) -> None:
    first, second = (fingerprint(workflow="w", step="s", kind="error", message=message) for message in pair)

    assert template(pair[0]) == template(pair[1])
    assert first == second


@given(words, words, any_text)
def test_fingerprint_tells_places_kinds_and_constant_words_apart(one: str, other: str, message: str) -> None:
    def of(**changes: str) -> str:
        return fingerprint(**{"workflow": "w", "step": "s", "kind": "error", "message": message, **changes})

    assert of() == of()
    assert len(of()) == 16
    if one != other:
        for name in ("workflow", "step", "kind"):
            assert of(**{name: one}) != of(**{name: other})
        assert of(message=f"the {one} is gone") != of(message=f"the {other} is gone")


@given(any_text)
def test_template_has_no_digit_and_no_line_break(message: str) -> None:
    found = template(message)

    assert not any(character.isdecimal() for character in found)
    assert "\n" not in found
    assert f"{HOLE}{HOLE}-" not in found or HOLE in found


@given(states, evidence)
def test_every_change_is_in_the_table(state: IncidentState, found: Evidence) -> None:
    after = state_after(state, evidence=found)

    assert after is state or after in INCIDENT_TRANSITIONS[state]


@given(states, evidence)
def test_nothing_is_over_while_failures_wait_or_are_on_trial(state: IncidentState, found: Evidence) -> None:
    after = state_after(state, evidence=found)

    if found.has_open or found.has_pending:
        assert not after.is_over
    if after is IncidentState.RESOLVED and state is not IncidentState.RESOLVED:
        assert found.has_succeeded


@given(states, evidence)
def test_looking_twice_changes_nothing_the_second_time(state: IncidentState, found: Evidence) -> None:
    after = state_after(state, evidence=found)

    assert state_after(after, evidence=found) is after
