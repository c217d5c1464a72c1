"""Writes an event as the request that carries it: a payload of Standard Webhooks, or a CloudEvent 1.0; pure.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

import re
from collections.abc import Mapping
from urllib.parse import quote

import orjson

from automation.outbound_models import Format
from workflows.core.definition import JsonObject, JsonValue

_NAME = re.compile(r"[a-z0-9]{1,40}")
_PLAIN = "!#$&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
_JSON = "application/json"


def write(event: JsonObject, *, kind: str, form: Format) -> tuple[Mapping[str, str], str]:
    """This will give headers and body of an event."""
    match form:
        case Format.STANDARD:
            return {"content-type": _JSON}, _standard(event, kind=kind)
        case Format.STRUCTURED:
            document = {**attributes(event, kind=kind), "datacontenttype": _JSON, "data": event["data"]}
            return {"content-type": "application/cloudevents+json"}, orjson.dumps(document).decode()
        case Format.BINARY:
            said = {f"ce-{name}": encoded(value) for name, value in attributes(event, kind=kind).items()}
            return {**said, "content-type": _JSON}, orjson.dumps(event["data"]).decode()


def attributes(event: JsonObject, *, kind: str) -> Mapping[str, JsonValue]:
    """This will give the attributes of an event as a CloudEvent: its own, then those that came with it.

    What cannot be the name of an attribute stays away.
    """
    also = event["attributes"]
    named = {
        "specversion": "1.0",
        "id": event["id"],
        "source": event["source"],
        "type": kind,
        "time": event["time"] or event["received_at"],
        "subject": event["subject"],
        "correlationkey": event["key"],
    }
    known = {name: value for name, value in named.items() if value}
    others = also if isinstance(also, Mapping) else {}
    free = {n: v for n, v in others.items() if _NAME.fullmatch(n) and n not in {*named, "data", "datacontenttype"}}
    return {**known, **free}


def encoded(value: JsonValue) -> str:
    """This will write an attribute as a header: what is not plain ASCII, and space, quote and percent, encoded.

    >>> encoded("50 % of Köln"), encoded(True), encoded(7)
    ('50%20%25%20of%20K%C3%B6ln', 'true', '7')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(str(value), safe=_PLAIN)


def _standard(event: JsonObject, *, kind: str) -> str:
    at = event["time"] or event["received_at"]
    named = {"id": event["id"], "source": event["source"], "key": event["key"]}
    return orjson.dumps({"type": kind, "timestamp": at, "event": named, "data": event["data"]}).decode()
