"""Reads events from CloudEvents 1.0 in JSON (structured mode) and from HTTP headers (binary mode); it stores nothing.

Beside the attributes of the specification, two extensions mean something here: `correlationkey` says whom the event is
about (without it, `subject` does), `ttl` for how long it is kept for steps that have not begun to wait yet.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import orjson

from workflows.core.correlation import MAX_KEY, MAX_TYPE, NewEvent
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, path_to
from workflows.core.storable import holds_nul
from workflows.schema import Schema

MAX_BYTES = 65_536
"""The largest event that is taken: what CloudEvents asks every intermediary to carry."""
MAX_AT_ONCE = 100
PREFIX = "ce-"
"""How headers of the binary mode begin."""
_STRUCTURED = "application/cloudevents"
_NAMED = ("specversion", "id", "source", "type", "subject", "time", "data", "correlationkey", "ttl")
DOCUMENT: Mapping[str, Any] = {  # Any: a JSON Schema
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "propertyNames": {"pattern": "^[a-z0-9]{1,40}$"},
    "properties": {
        "specversion": {"enum": ["1.0"]},
        "id": {"type": "string", "minLength": 1, "maxLength": 200},
        "source": {"type": "string", "minLength": 1, "maxLength": 300},
        "type": {"type": "string", "minLength": 1, "maxLength": MAX_TYPE},
        "subject": {"type": "string", "maxLength": 300},
        "time": {"type": "string", "format": "date-time"},
        "correlationkey": {"type": "string", "maxLength": MAX_KEY},
        "ttl": {"type": ["string", "number"]},
        "data": {},
    },
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
}
"""The JSON Schema of an event."""
_SCHEMA = Schema(DOCUMENT)
_ESCAPED = re.compile(r"\\(.)")


def read(document: JsonValue, *, at: str = "$") -> tuple[NewEvent | None, Sequence[Problem]]:
    """This will read an event, or say what is wrong with it; `at` is where it stands. What is null is absent."""
    given = document
    if isinstance(document, Mapping):
        given = {name: value for name, value in document.items() if value is not None or name == "data"}
    found = _SCHEMA.problems(given, at=at)
    if found or not isinstance(given, Mapping):
        return None, found
    values: Any = given  # Any: the schema has judged it
    ttl_s, problem = _length(values.get("ttl"), at=path_to(at, "ttl"))
    if problem is not None:
        return None, [problem]
    event = NewEvent(
        id=values["id"],
        source=values["source"],
        type=values["type"],
        key=values.get("correlationkey", values.get("subject", "")),
        subject=values.get("subject", ""),
        time=_instant(values.get("time")),
        data=values.get("data"),
        attributes={name: value for name, value in values.items() if name not in _NAMED},
        ttl_s=ttl_s,
    )
    return event, ()


def is_binary(headers: Mapping[str, str]) -> bool:
    """This will tell whether a request carries an event in binary mode; names of headers are in lower case."""
    kind = headers.get("content-type", "").strip().lower()
    return not kind.startswith(_STRUCTURED) and any(name.startswith(PREFIX) for name in headers)


def document_of(headers: Mapping[str, str], data: JsonValue) -> JsonObject:
    """This will give an event in binary mode as a document.

    Source: section 3.1.3.2 of the HTTP protocol binding of CloudEvents 1.0.2.

    >>> document_of({"ce-id": "7", "ce-subject": '"50 %25"', "host": "h"}, {"n": 1})
    {'id': '7', 'subject': '50 %', 'data': {'n': 1}}
    """
    said = {name.removeprefix(PREFIX): _decoded(value) for name, value in headers.items() if name.startswith(PREFIX)}
    kind = headers.get("content-type", "")
    return {**said, **({"datacontenttype": kind} if kind else {}), "data": data}


def is_json(content_type: str) -> bool:
    """This will tell whether data of a kind are JSON, as they are when nothing is said.

    >>> [is_json(kind) for kind in ("application/vnd.shop+json; charset=utf-8", "", "text/plain")]
    [True, True, False]
    """
    kind = content_type.partition(";")[0].strip().lower()
    return kind in ("", "application/json") or kind.endswith("+json")


def _decoded(value: str) -> str:
    text = value.strip()
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = _ESCAPED.sub(r"\1", text[1:-1])
    return unquote(text)


def problems_of(event: NewEvent, *, max_ttl_s: float, at: str = "$") -> Sequence[Problem]:
    """This will say what keeps an event from being stored, beyond its shape."""
    found: list[Problem] = []
    for name, length in (("id", 200), ("source", 300), ("type", MAX_TYPE), ("key", MAX_KEY), ("subject", 300)):
        text = getattr(event, name)
        if len(text) > length or (not text and name in ("id", "source", "type")):
            shown = "correlationkey" if name == "key" else name
            found.append(Problem(path_to(at, shown), f"must be 1 to {length} characters, this has {len(text)}"))
    if event.ttl_s is not None and not 0 <= event.ttl_s <= max_ttl_s:
        hint = "the setting EVENT_TTL_MAX_S says how long is allowed"
        found.append(Problem(path_to(at, "ttl"), f"must be 0 to {max_ttl_s:.0f} s, this is {event.ttl_s:.0f} s", hint))
    if event.time is not None and event.time.tzinfo is None:
        found.append(Problem(path_to(at, "time"), "has no offset", "write it like 2026-01-31T08:00:00+01:00"))
    return found or _size_problems(event, at=at)


def _size_problems(event: NewEvent, *, at: str) -> Sequence[Problem]:
    try:
        text = orjson.dumps(
            [event.data, event.attributes, event.id, event.source, event.type, event.key, event.subject]
        )
    except TypeError as error:
        return [Problem(path_to(at, "data"), f"is not JSON: {error}")]
    if len(text) > MAX_BYTES:
        hint = "store it elsewhere, and send where it is"
        return [Problem(at, f"the event is {len(text)} bytes: at most {MAX_BYTES} are taken", hint)]
    return [Problem(at, "holds a NUL character, which PostgreSQL cannot store")] if holds_nul(text) else []


def _instant(text: str | None) -> datetime | None:
    """RFC 3339 knows leap seconds, Python does not: they count as the second after."""
    if text is None:
        return None
    if text[17:19] == "60":
        return datetime.fromisoformat(f"{text[:17]}59{text[19:]}").astimezone(UTC) + timedelta(seconds=1)
    return datetime.fromisoformat(text).astimezone(UTC)


def _length(value: JsonValue, *, at: str) -> tuple[float | None, Problem | None]:
    if value is None:
        return None, None
    try:
        return parse_duration(value), None
    except DurationInvalid as error:
        return None, Problem(at, str(error))
