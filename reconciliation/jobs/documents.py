"""Reads the document of a job: its shape, its meaning, and what it comes to; it stores nothing."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from reconciliation.core.comparators import Comparator, Exact, Money, Number, Text, Time
from reconciliation.core.compare import Field
from reconciliation.core.record import Side
from reconciliation.core.window import Clock
from reconciliation.errors import JobInvalid
from reconciliation.jobs import meaning, rules
from reconciliation.jobs.spec import JobSpec, SideSpec, SourceSpec, WindowRule
from workflows import documents
from workflows.core.definition import JsonObject
from workflows.core.durations import parse_duration
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.schema import Schema

_FILE = Path(__file__).with_name("job.schema.json")
KINDS = ("sql", "function", "file", "pages")
_Document = Mapping[str, Any]  # Any: the schema says what it holds


@lru_cache(maxsize=1)
def job_schema() -> JsonObject:
    """This will give the published schema of jobs."""
    document: JsonObject = orjson.loads(_FILE.read_bytes())
    return document


def parse(source: str) -> JobSpec:
    """This will read a job written in YAML or JSON. Raises JobInvalid with every problem, each at its line."""
    try:
        parsed = documents.parse_document(source)
    except DefinitionInvalid as error:
        raise JobInvalid(error.problems) from error
    problems = list(find_problems(parsed.document))
    if problems:
        raise JobInvalid([parsed.locate(problem) for problem in problems])
    return read(parsed.document)


def find_problems(document: JsonObject) -> Iterator[Problem]:
    """This will give everything that is wrong with a document; its meaning is looked at when its shape is right."""
    shape = _schema().problems(document)
    if shape:
        yield from shape
        return
    yield from meaning.problems(document)


def read(document: JsonObject) -> JobSpec:
    """This will give what a document means that is known to be right."""
    found: _Document = document
    fields = {name: _field(one) for name, one in found.get("fields", {}).items()}
    time = found.get("time")
    zone = found.get("timezone", "UTC")
    return JobSpec(
        name=found["name"],
        description=found.get("description", ""),
        left=_side(found, fields=fields, side=Side.LEFT),
        right=_side(found, fields=fields, side=Side.RIGHT),
        key_names=[column if isinstance(column, str) else column["left"] for column in meaning.listed(found["key"])],
        fields=[Field(name=name, comparator=comparator(one, zone=zone)) for name, one in fields.items()],
        clock=None if time is None else Clock(left=on(time, Side.LEFT), right=on(time, Side.RIGHT), zone=zone),
        window=_window(found.get("window")),
        grace=_length(found.get("grace", 0)),
        amount=found.get("amount", ""),
        redact=frozenset(found.get("redact", ())),
        most_variances=found.get("most_variances", 100_000),
        rules=[rules.rule(one) for one in found.get("rules", ())],
        schedule=found.get("schedule"),
        document=document,
    )


def content_hash(document: Mapping[str, object]) -> str:
    """This will give what two equal documents have in common."""
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()


def comparator(one: _Document, *, zone: str = "UTC") -> Comparator:
    """This will make the comparator of a field."""
    match one.get("compare", "exact"):
        case "text":
            return Text()
        case "number":
            return Number(absolute=_decimal(one.get("absolute", 0)), relative=_decimal(one.get("relative", 0)))
        case "money":
            unit, currency = one.get("unit", {}), one.get("currency", "")
            return Money(
                minor_left=unit.get("left") == "minor",
                minor_right=unit.get("right") == "minor",
                tolerance=_decimal(one.get("tolerance", 0)),
                currency=currency if isinstance(currency, str) else "",
            )
        case "time":
            return Time(skew_s=parse_duration(one.get("skew", 0)), zone_left=zone, zone_right=zone)
        case _:
            return Exact()


def on(columns: object, side: Side) -> str:
    """This will give the column of one side."""
    return str(columns[side.value]) if isinstance(columns, Mapping) else str(columns)


def _side(found: _Document, *, fields: Mapping[str, _Document], side: Side) -> SideSpec:
    time, trace = found.get("time"), found.get("trace")
    return SideSpec(
        source=_source(found[side.value], side=side),
        key=[on(column, side) for column in meaning.listed(found["key"])],
        columns=[_columns(name, one, side=side) for name, one in fields.items()],
        time="" if time is None else on(time, side),
        trace="" if trace is None else on(trace, side),
        show=found.get("show", ()),
    )


def _columns(name: str, one: _Document, *, side: Side) -> tuple[str, ...]:
    column = str(one.get(side.value, name))
    currency = one.get("currency")
    return (column, on(currency, side)) if isinstance(currency, Mapping) else (column,)


def _source(one: _Document, *, side: Side) -> SourceSpec:
    kind = next(kind for kind in KINDS if kind in one)
    return SourceSpec(
        name=one.get("name", side.value),
        kind=kind,
        options=one[kind],
        where=one.get("where", ""),
        is_sorted=one.get("sorted", False),
    )


def _field(one: str | _Document) -> _Document:
    return {"compare": one} if isinstance(one, str) else one


def _window(one: _Document | None) -> WindowRule | None:
    if one is None:
        return None
    return WindowRule(length=_length(one["last"]), lag=_length(one.get("lag", 0)), margin=_length(one.get("margin", 0)))


def _length(value: object) -> timedelta:
    return timedelta(seconds=parse_duration(value))


def _decimal(value: object) -> Decimal:
    return Decimal(str(value))


@lru_cache(maxsize=1)
def _schema() -> Schema:
    return Schema(job_schema())
