"""Laws of values in SOQL: whatever is bound stays one literal, and says what it said."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.salesforce import soql

_LITERAL = re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL)
_MEANT = {"\\\\": "\\", "\\'": "'", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\b": "\b", "\\f": "\f"}


@given(st.text(), st.text(alphabet="'\\:x \n\")(-"))
def test_a_text_is_one_literal_that_means_the_text(first: str, second: str) -> None:
    written = soql.bound(
        "SELECT Id FROM Lead WHERE A = :first AND B = :second", values={"first": first, "second": second}, instants={}
    )

    found = re.fullmatch(
        rf"SELECT Id FROM Lead WHERE A = {_LITERAL.pattern} AND B = {_LITERAL.pattern}", written, re.DOTALL
    )
    assert found is not None
    meant = [re.sub(r"\\.", lambda escape: _MEANT[escape[0]], one) for one in found.groups()]
    assert meant == [first, second]


@given(st.text(alphabet=st.characters(exclude_characters="'\\")))
def test_what_stands_between_quotes_is_left_as_it_is(text: str) -> None:
    statement = f"SELECT Id FROM Lead WHERE A = '{text} :x'"

    assert soql.bound(statement, values={}, instants={}) == statement


@given(st.text())
def test_an_instant_is_one_or_is_refused(text: str) -> None:
    try:
        written = soql.bound("SELECT Id FROM Lead WHERE A > :at", values={}, instants={"at": text})
    except soql.Unbound:
        return

    assert re.fullmatch(
        r"SELECT Id FROM Lead WHERE A > \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d(:\d\d)?)", written
    )


@pytest.mark.parametrize("at", ["2026-03-01T10:00:00", "2026-03-01", "now", "2026-03-01T00:00:00Z OR Id != null"])
def test_what_is_no_instant_with_a_zone_is_refused(at: str) -> None:
    with pytest.raises(soql.Unbound, match=":at must"):
        soql.bound("SELECT Id FROM Lead WHERE A > :at", values={}, instants={"at": at})
