"""Laws of filters over runs: what is written is what is read, nothing never means everything, wrong words are named."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.core.run_selection import NAMES, RunSelection, parse
from workflows.core.selection import SelectionInvalid
from workflows.core.states import RunState

ENDED = [state.value for state in RunState if state is not RunState.RUNNING]
words = st.text("abc-", min_size=1, max_size=6)
instants = st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, tz=UTC))
written = st.fixed_dictionaries(
    {},
    optional={
        "workflow": words,
        "version": st.integers(1, 999).map(str),
        "state": st.sampled_from(ENDED),
        "kind": words,
        "step": words,
        "created_after": instants.map(lambda at: at.isoformat()),
        "created_before": instants.map(lambda at: at.isoformat()),
        "ids": st.lists(st.uuids(), min_size=1, max_size=3).map(lambda ids: ",".join(map(str, ids))),
    },
)


@given(pairs=written)
def test_what_is_given_is_meant_and_what_is_not_is_open(pairs: Mapping[str, str]) -> None:
    if not pairs:
        with pytest.raises(SelectionInvalid):
            parse(pairs)
        return

    found = parse(pairs)

    given_names = {field.name for field in fields(found) if getattr(found, field.name) is not None}
    assert given_names == set(pairs)
    assert {name: _text(getattr(found, name)) for name in pairs} == dict(pairs)


@given(pairs=written, name=words.filter(lambda word: word not in NAMES))
def test_word_that_is_no_filter_is_refused_by_name(pairs: Mapping[str, str], name: str) -> None:
    with pytest.raises(SelectionInvalid) as caught:
        parse({**pairs, name: "x"})

    assert caught.value.field == name


@pytest.mark.parametrize("name", ["version", "state", "created_after", "created_before", "ids"])
@given(text=st.text("xyz!", min_size=1, max_size=5))
def test_value_that_cannot_be_read_is_refused_by_name(name: str, text: str) -> None:
    with pytest.raises(SelectionInvalid) as caught:
        parse({"workflow": "one", name: text})

    assert caught.value.field == name


@given(workflow=words)
def test_runs_under_way_are_never_meant(workflow: str) -> None:
    with pytest.raises(SelectionInvalid):
        RunSelection(workflow=workflow, state=RunState.RUNNING)


def _text(value: object) -> str:
    match value:
        case datetime():
            return value.isoformat()
        case tuple():
            return ",".join(str(one) for one in value if isinstance(one, UUID))
        case _:
            return str(value)
