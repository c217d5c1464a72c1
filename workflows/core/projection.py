"""Picks the named parts out of nested maps, to spare converting the rest; it copies no leaf."""

from collections.abc import Iterable
from typing import TypeAlias

from workflows.core.definition import JsonValue

Selection: TypeAlias = dict[str, "Selection"]
"""The keys that are wanted, and of each the keys below it; empty: everything."""


def selection_of(paths: Iterable[tuple[str, ...]]) -> Selection:
    """This will merge paths into one selection; a path that ends early wants everything below.

    >>> selection_of([("a", "b"), ("a", "c"), ("d",), ("d", "e")])
    {'a': {'b': {}, 'c': {}}, 'd': {}}
    """
    ordered = sorted(set(paths))
    whole = [path for path in ordered if not any(_is_prefix(other, of=path) for other in ordered)]
    selection: Selection = {}
    for path in whole:
        node = selection
        for key in path:
            node = node.setdefault(key, {})
    return selection


def pick(value: JsonValue, selection: Selection) -> JsonValue:
    """This will keep the selected keys of a map, as far as they exist; any other value is kept as it is.

    >>> pick({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": {}}, "x": {}})
    {'a': {'b': 1}}
    """
    if not selection or not isinstance(value, dict):
        return value
    return {key: pick(value[key], below) for key, below in selection.items() if key in value}


def _is_prefix(path: tuple[str, ...], *, of: tuple[str, ...]) -> bool:
    return len(path) < len(of) and of[: len(path)] == path
