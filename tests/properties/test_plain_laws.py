"""Laws of what adapters give back: always JSON, always the same."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from integrations.adapters.rest import pages
from integrations.plain import plain

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(st.characters(exclude_categories=())),
    st.binary(),
    st.datetimes(timezones=st.timezones() | st.none()),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.complex_numbers(),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(value=VALUES)
def test_whatever_a_library_returns_becomes_json_that_postgresql_can_store(value: Any) -> None:
    made = plain(value)

    written = orjson.dumps(made)
    assert orjson.loads(written) == made
    assert b"\\u0000" not in written
    assert plain(made) == made


@given(sizes=st.lists(st.integers(1, 4), max_size=8), by=st.sampled_from(["page", "offset"]))
def test_all_pages_give_all_items_in_their_order_once(sizes: list[int], by: str) -> None:
    items = list(range(sum(sizes)))
    begins = [sum(sizes[:index]) for index in range(len(sizes))]
    paging = pages.Paging({"by": by, "parameter": "at", "first": 0}, 10_000)
    request = paging.first({"path": "/items"})

    while request is not None:
        asked = request["query"]["at"]
        index = asked if by == "page" else begins.index(asked) if asked in begins else len(sizes)
        begin = begins[index] if index < len(sizes) else len(items)
        size = sizes[index] if index < len(sizes) else 0
        request = paging.take({"body": items[begin : begin + size], "headers": {}}, request=request)

    assert paging.items == items
    assert paging.count == len(sizes) + 1
