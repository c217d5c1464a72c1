"""Reads what a verified request says of itself: JSON or a form, and values by header or path; it believes nothing."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from automation.verification.contract import Request, Untold

_HEADER, _BODY = "header:", "body:"
PLACE = {"type": "string", "pattern": r"^(header:[A-Za-z0-9-]+|body:[A-Za-z0-9_.\-]+)$", "maxLength": 200}
"""Where a value stands: `header:NAME`, or `body:PATH` with dots."""


def body_of(request: Request) -> Any:  # Any: JSON
    """This will read a body: JSON, or a form as an object; nothing at all is null. Raises Untold."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not request.body:
        return None
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise Untold("the body is not UTF-8: send JSON, or a form") from None
    if kind == "application/x-www-form-urlencoded":
        return _form(text)
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Untold(f"the body is not JSON ({_without_value(error)}): send JSON, or a form") from None


def object_of(request: Request) -> Mapping[str, Any]:
    """This will read a body that must be an object. Raises Untold."""
    body = body_of(request)
    if not isinstance(body, Mapping):
        raise Untold(f"$: the body must be an object, this is {_kind(body)}")
    return body


def text_at(body: Any, path: str) -> str:  # Any: JSON
    """This will give the text or number at a path with dots; empty when there is none.

    >>> text_at({"data": {"object": {"id": 7}}}, "data.object.id"), text_at({}, "id")
    ('7', '')
    """
    value = body
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)


def required(body: Any, path: str) -> str:  # Any: JSON
    """This will give the text at a path. Raises Untold when there is none."""
    found = text_at(body, path)
    if not found:
        raise Untold(f"$.{path}: must be text, and is not there")
    return found


def value_at(request: Request, body: Any, *, place: str) -> str:  # Any: JSON
    """This will give the value at a place (`header:NAME` or `body:PATH`), empty when there is none."""
    if place.startswith(_HEADER):
        return request.headers.get(place.removeprefix(_HEADER).lower(), "").strip()
    return text_at(body, place.removeprefix(_BODY))


def _form(text: str) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=True, max_num_fields=1000)
    except ValueError as error:
        raise Untold(f"the body is not a form ({_without_value(error)})") from None
    return dict(pairs)


def _no_constant(name: str) -> Any:  # Any: it never returns
    raise ValueError(f"{name} is no JSON")


def _without_value(error: Exception) -> str:
    """What json and urllib say, without what they quote."""
    text = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
    return text.partition(": '")[0][:100]


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")
