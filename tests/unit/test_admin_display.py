"""How values read on a page."""

from datetime import UTC, datetime, timedelta

import pytest

from workflows.core.states import RunState
from workflows.templatetags import workflow_display as display
from workflows.timeline import Text

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, ""), (-3.0, "0 ms"), (0.9994, "999 ms"), (59.94, "59.9 s"), (60.0, "1 min 0 s"), (90000.0, "1 d 1 h")],
)
def test_span_is_in_the_units_that_matter(seconds: float | None, expected: str) -> None:
    assert display.span(seconds) == expected


def test_until_and_roughly_are_empty_when_an_instant_is_not_known() -> None:
    assert display.until(None, NOON) == ""
    assert display.until(NOON, None) == ""
    assert display.roughly(None, NOON) == ""


def test_roughly_names_the_largest_unit_alone() -> None:
    assert display.roughly(NOON - timedelta(hours=5, minutes=7), NOON) == "5 h"


def test_clock_is_in_utc_to_the_millisecond() -> None:
    assert display.clock(NOON) == "12:00:00.123"
    assert display.clock(None) == ""


def test_pretty_indents_json_and_leaves_a_cut_text_alone() -> None:
    assert display.pretty(Text('{"a":[1]}')) == '{\n  "a": [\n    1\n  ]\n}'
    assert display.pretty(Text('{"a":[1', is_cut=True)) == '{"a":[1'
    assert display.pretty(Text(None)) == ""
    assert display.pretty({"ä": 1}) == '{\n  "ä": 1\n}'


def test_words_are_readable() -> None:
    assert display.words(RunState.SUCCEEDED) == "succeeded"
    assert display.words("dead_letter.requeued") == "dead letter requeued"
