"""Laws of differences: applied to the first value they give the second; equal values have none."""

import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.differences import Change, Differences, compare

_LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab .", max_size=3)
JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab.", max_size=2), inner, max_size=3)
)


def apply(value: Any, differences: Differences) -> Any:  # Any: JSON that is changed in place
    """This will change a value as the differences say; what is removed from a list goes from its end."""
    root = {"$": copy.deepcopy(value)}
    for one in sorted(differences.found, key=lambda one: one.change is Change.REMOVED):
        _set(root, ("$", *one.keys), one.after, change=one.change)
    for one in reversed([one for one in differences.found if one.change is Change.REMOVED]):
        parent, key = _parent(root, ("$", *one.keys))
        del parent[key]
    return root["$"]


def _parent(root: Any, keys: tuple[str | int, ...]) -> tuple[Any, str | int]:  # Any: JSON
    for key in keys[:-1]:
        root = root[key]
    return root, keys[-1]


def _set(root: Any, keys: tuple[str | int, ...], value: Any, *, change: Change) -> None:  # Any: JSON
    parent, key = _parent(root, keys)
    if change is Change.REMOVED:
        return
    if change is Change.ADDED and isinstance(parent, list):
        parent.append(value)
    else:
        parent[key] = value


def exact(value: Any) -> Any:  # Any: JSON
    """This will make true and 1 different things, which Python holds equal."""
    if isinstance(value, dict):
        return {key: exact(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [exact(inner) for inner in value]
    return (type(value).__name__, value)


@given(before=JSON, after=JSON)
def test_differences_lead_from_one_value_to_the_other(before: Any, after: Any) -> None:
    found = compare(before, after)

    assert exact(apply(before, found)) == exact(after)
    assert bool(found) == (exact(before) != exact(after))


@given(before=JSON, after=JSON)
def test_differences_the_other_way_stand_at_the_same_places(before: Any, after: Any) -> None:
    there, back = compare(before, after), compare(after, before)

    assert {one.path for one in there.found} == {one.path for one in back.found}


@given(before=JSON, after=JSON, most=st.integers(1, 3))
def test_differences_are_cut_where_there_are_more(before: Any, after: Any, most: int) -> None:
    whole, cut = compare(before, after), compare(before, after, most=most)

    assert cut.found == whole.found[:most]
    assert cut.is_cut == (len(whole.found) > most)
