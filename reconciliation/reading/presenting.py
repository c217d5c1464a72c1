"""Writes records down as JSON: for evidence, rules and people; masked where the job says so."""

from collections.abc import Mapping
from decimal import Decimal

from audit.redaction import MASK, redacted
from reconciliation.core.record import Record, Side, as_text
from reconciliation.jobs.spec import JobSpec
from workflows.core.definition import JsonValue

_LONGEST = 2000


def plain(row: Mapping[str, object]) -> dict[str, JsonValue]:
    """This will write a row as JSON: what JSON has no form for becomes text.

    >>> plain({"total": Decimal("12.50"), "items": 2})
    {'total': '12.50', 'items': 2}
    """
    return {str(name): _value(value) for name, value in row.items()}


def evidence(record: Record | None, *, spec: JobSpec, side: Side) -> dict[str, JsonValue] | None:
    """This will give what is kept of a record: its key, its fields under their names, and what is shown besides."""
    if record is None:
        return None
    columns = spec.left if side is Side.LEFT else spec.right
    found: dict[str, object] = {
        name: record.row.get(column) for name, column in zip(spec.key_names, columns.key, strict=True)
    }
    for one, names, value in zip(spec.fields, columns.columns, record.values, strict=True):
        if len(names) == 2 and isinstance(value, tuple):
            found[one.name], found[f"{one.name}_currency"] = value
        else:
            found[one.name] = value
    found.update({name: record.row.get(name) for name in columns.show if name not in found})
    masked = {name: MASK if name in spec.redact and value is not None else value for name, value in found.items()}
    shown = redacted(plain(masked))
    assert isinstance(shown, dict), "a mapping stays one"
    return shown


def _value(value: object) -> JsonValue:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    if isinstance(value, float | Decimal):
        return str(value)
    return (as_text(value) or "").replace("\0", "\ufffd")[:_LONGEST]
