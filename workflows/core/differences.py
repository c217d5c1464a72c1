"""Where two JSON values differ, path by path; it says what stands where, and never why."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TypeAlias, TypeVar

from workflows.core.definition import JsonValue

Keys: TypeAlias = tuple[str | int, ...]
_Key = TypeVar("_Key", bound=str | int)
MOST = 500
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")


class Change(StrEnum):
    """What has become of a place in a value."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two values differ; `before` of what was added and `after` of what was removed are null."""

    keys: Keys
    change: Change
    before: JsonValue
    after: JsonValue

    @property
    def path(self) -> str:
        """This will give the JSON path of the place."""
        return path_of(self.keys)


@dataclass(frozen=True, slots=True)
class Differences:
    """The first differences between two values; `is_cut`: there are more."""

    found: tuple[Difference, ...]
    is_cut: bool = False

    def __bool__(self) -> bool:
        return bool(self.found)


def compare(before: JsonValue, after: JsonValue, *, at: Keys = (), most: int = MOST) -> Differences:
    """This will find where two values differ, in the order of the first; lists are compared place by place.

    True is not 1, and 1 is 1.0, as in JSON.

    >>> [(one.path, one.change.value) for one in compare({"a": [1, 2], "b": 1}, {"a": [1], "c": 1}).found]
    [('$.a[1]', 'removed'), ('$.b', 'removed'), ('$.c', 'added')]
    """
    found = tuple(islice(_walk(before, after, at), most + 1))
    return Differences(found[:most], is_cut=len(found) > most)


def path_of(keys: Keys) -> str:
    """This will write keys as a JSON path.

    >>> path_of(("steps", "charge", "needs", 0)), path_of(("a b", "c"))
    ('$.steps.charge.needs[0]', '$["a b"].c')
    """
    return "$" + "".join(_part(key) for key in keys)


def _part(key: str | int) -> str:
    if isinstance(key, int):
        return f"[{key}]"
    return f".{key}" if _PLAIN.match(key) else f'["{key}"]'


def _walk(before: JsonValue, after: JsonValue, at: Keys) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _walk_maps(before, after, at)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _walk_maps(dict(enumerate(before)), dict(enumerate(after)), at)
    elif isinstance(before, bool) is not isinstance(after, bool) or before != after:
        yield Difference(at, Change.CHANGED, before, after)


def _walk_maps(before: Mapping[_Key, JsonValue], after: Mapping[_Key, JsonValue], at: Keys) -> Iterator[Difference]:
    for key in before:
        if key in after:
            yield from _walk(before[key], after[key], (*at, key))
        else:
            yield Difference((*at, key), Change.REMOVED, before[key], None)
    for key in after:
        if key not in before:
            yield Difference((*at, key), Change.ADDED, None, after[key])
