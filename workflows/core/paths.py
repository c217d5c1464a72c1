"""Reads a path through plain JSON as CEL would, and says why nothing is there; it never guesses."""

from collections.abc import Mapping
from typing import TypeAlias

from workflows.core.definition import JsonValue

Path: TypeAlias = tuple[str | int, ...]
_KINDS: Mapping[type, str] = {
    dict: "a map",
    list: "a list",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


class PathMissing(LookupError):
    """There is nothing at the path; the message says from where on."""


def read_path(root: Mapping[str, JsonValue], path: Path) -> JsonValue:
    """This will give the value at a path. Raises PathMissing.

    >>> read_path({"input": {"lines": [{"id": 7}]}}, ("input", "lines", 0, "id"))
    7
    """
    value: object = root
    try:
        for key in path:
            if type(value) is dict or (type(key) is int and type(value) is list):
                value = value[key]  # type: ignore[index]  # the line above pairs list with int, dict takes both
            else:
                raise PathMissing(_why(root, path))
    except (KeyError, IndexError) as error:
        raise PathMissing(_why(root, path)) from error
    return value  # type: ignore[return-value]  # whatever is below a JSON root is JSON


def _why(root: Mapping[str, JsonValue], path: Path) -> str:
    value: object = root
    walked = ""
    for key in path:
        if isinstance(value, dict):
            fits = key in value
        else:
            fits = isinstance(value, list) and isinstance(key, int) and key < len(value)
        if not fits:
            break
        value = value[key]  # type: ignore[index]  # `fits` pairs maps with keys, lists with indexes
        walked += f"[{key}]" if isinstance(key, int) else f".{key}" if walked else key
    return _missing(value, key=key, walked=walked)


def _missing(value: object, *, key: str | int, walked: str) -> str:
    if walked == "steps":
        return f"step {key!r} has not ended yet"
    if isinstance(value, dict) and isinstance(key, str):
        return f"there is no key {key!r} in `{walked}`" if walked else f"there is no `{key}`"
    if isinstance(value, list) and isinstance(key, int):
        return f"there is no index {key} in `{walked}`, which has {len(value)} items"
    return f"`{walked}` is {_KINDS.get(type(value), 'a number')}, so it has no {key!r}"
