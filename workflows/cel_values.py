"""Values on their way into and out of CEL: plain JSON on our side of the border; it evaluates nothing."""

import base64
import datetime
import math

from workflows.core.definition import JsonValue

_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


class ResultUnusable(ValueError):
    """A result of CEL that JSON has no form for."""


def json_value(value: object) -> JsonValue:
    """This will turn a plain CEL value into JSON: times, durations and bytes become text, as CEL defines.

    Keys come sorted: CEL keeps no order, and equal results must give equal requests. Raises ResultUnusable.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise ResultUnusable(f"the result is {value}, which JSON cannot hold")
    if isinstance(value, list):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return _json_map(value)
    return _text(value)


def bounded_numbers(value: JsonValue) -> JsonValue:
    """This will turn integers that CEL cannot hold (beyond 64 bits) into doubles. May raise OverflowError."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if _MIN_INT <= value <= _MAX_INT else float(value)
    if isinstance(value, dict):
        return {key: bounded_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [bounded_numbers(item) for item in value]
    return value


def _json_map(value: dict[object, object]) -> JsonValue:
    for key in value:
        if not isinstance(key, str):
            raise ResultUnusable(f"the result has the key {key!r}: keys must be text, convert with string()")
    return {str(key): json_value(value[key]) for key in sorted(value, key=str)}


def _text(value: object) -> str:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime.timedelta):
        return f"{value.total_seconds():.9f}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode("ascii")
    raise ResultUnusable(f"the result is a {type(value).__name__}, which JSON cannot hold")
