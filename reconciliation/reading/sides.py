"""Opens both sides of a job as sorted streams of records, and skips what both databases say is equal."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import structlog
from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, Error
from django.db.models import QuerySet
from psycopg import Error as DriverError

from integrations import queries as integrations
from integrations.errors import CallFailed, Postponed
from reconciliation import registry
from reconciliation.core import buckets
from reconciliation.core.record import Record, Side
from reconciliation.core.window import Window
from reconciliation.errors import SourceFailed
from reconciliation.jobs.meaning import PARAMETER
from reconciliation.jobs.spec import JobSpec, SideSpec
from reconciliation.pulse import Pulse
from reconciliation.reading import files, pages, remote
from reconciliation.reading.calls import Caller
from reconciliation.reading.database import Selected, Snapshot, snapshot
from reconciliation.reading.dialects import BY_SCHEME
from reconciliation.reading.records import Records, side_of
from reconciliation.reading.remote import Remote
from reconciliation.reading.sorting import sorted_by_key
from reconciliation.registry import Select
from workflows.core.durations import parse_duration

SUMS_FROM = 20_000
"""From so many rows on, summing first is worth its cost."""
_TIMEOUT_S = 60.0
_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@runtime_checkable
class Summing(Protocol):
    """A side that a database can sum, and of which it can give some buckets only."""

    def rows(self, *, buckets: int = 0, only: Collection[int] = ()) -> Iterator[Mapping[str, Any]]:  # Any: of any type
        """This will give rows: all, or those of some buckets."""
        ...

    def count(self) -> int:
        """This will count the rows."""
        ...

    def sums(self, *, buckets: int) -> Mapping[int, buckets.BucketSum]:
        """This will sum over buckets. A row without a key is in bucket -1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a comparison reads for: its window, its clock, and the run of the engine it serves."""

    window: Window | None
    now: datetime
    run_id: str = ""
    correlation_id: str = ""
    pulse: Pulse = field(default_factory=Pulse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Both sides, sorted, and how many rows need no reading, as they are equal."""

    left: Iterator[Record]
    right: Iterator[Record]
    skipped: int = 0


@contextmanager
def opened(spec: JobSpec, *, asked: Asked) -> Iterator[Streams]:
    """This will open both sides. Raises SourceFailed, here or as they are read, and CallFailed."""
    with ExitStack() as stack:
        try:
            sources = {side: _source(spec, side=side, asked=asked) for side in Side}
            if any(isinstance(one, Selected) for one in sources.values()):
                shot = stack.enter_context(snapshot())
                sources = {side: _within(one, shot=shot) for side, one in sources.items()}
            only, skipped = _skipped(sources, asked=asked) if _may_skip(spec) else (None, 0)
            streams = {side: _stream(spec, side=side, source=sources[side], asked=asked, only=only) for side in Side}
        except (DriverError, Error) as error:
            raise _failed(error, side="left and right") from error
        yield Streams(left=streams[Side.LEFT], right=streams[Side.RIGHT], skipped=skipped)


_Only = tuple[int, frozenset[int]]
"""How many buckets there are, and which must be read."""


def _may_skip(spec: JobSpec) -> bool:
    """Equal sums mean equal values only where equal values count as the same, and every row counts."""
    is_plain = all(one.comparator.is_plain for one in spec.fields)
    return is_plain and not spec.left.source.where and not spec.right.source.where


def _within(source: object, *, shot: Snapshot) -> object:
    return replace(source, snapshot=shot) if isinstance(source, Selected) else source


def _skipped(sources: Mapping[Side, object], *, asked: Asked) -> tuple[_Only | None, int]:
    """What need not be read. Sums over a connection only save time: where they are not to be had, all is read."""
    left, right = sources[Side.LEFT], sources[Side.RIGHT]
    if not isinstance(left, Summing) or not isinstance(right, Summing):
        return None, 0
    try:
        return _unequal(left, right, asked=asked)
    except (CallFailed, Postponed) as error:
        _log.warning("sums_not_had", correlation_id=asked.correlation_id, error=str(error))
        return None, 0


def _unequal(left: Summing, right: Summing, *, asked: Asked) -> tuple[_Only | None, int]:
    rows = left.count()
    if rows < SUMS_FROM:
        return None, 0
    is_remote = isinstance(left, Remote) or isinstance(right, Remote)
    number = buckets.buckets_for(rows, most=remote.MOST_BUCKETS if is_remote else buckets.MOST)
    sums: dict[Side, Mapping[int, buckets.BucketSum]] = {}
    for side, one in ((Side.LEFT, left), (Side.RIGHT, right)):
        asked.pulse.beat()
        sums[side] = one.sums(buckets=number)
        if -1 in sums[side]:
            raise SourceFailed(f"{sums[side][-1].rows} rows have no key: every record needs one", side=side.value)
    ours, theirs = sums[Side.LEFT], sums[Side.RIGHT]
    only = buckets.unequal(ours, theirs)
    if is_remote and len(only) > number // 2:  # a page of all rows is found by its key, a page of buckets is looked for
        return None, 0
    return (number, only), sum(one.rows for bucket, one in ours.items() if bucket not in only)


def _stream(spec: JobSpec, *, side: Side, source: object, asked: Asked, only: _Only | None) -> Iterator[Record]:
    records = Records(spec=spec, side=side, window=asked.window, beat=asked.pulse.beat)
    if isinstance(source, Summing):
        number, wanted = only or (0, frozenset())
        found = records.of(source.rows(buckets=number, only=wanted)) if wanted or not number else iter(())
    else:
        found = records.of(source)  # type: ignore[arg-type]  # the other kinds are iterables of rows
    is_sorted = isinstance(source, Selected) or side_of(spec, side).source.is_sorted
    return _told(found if is_sorted else sorted_by_key(found, beat=asked.pulse.beat), side=side)


def _told(records: Iterator[Record], *, side: Side) -> Iterator[Record]:
    """An error of the database says which side it is about."""
    try:
        yield from records
    except (DriverError, Error) as error:
        raise _failed(error, side=side.value) from error


def _failed(error: Exception, *, side: str) -> SourceFailed:
    return SourceFailed(f"the database says: {' '.join(str(error).split())[:500]}", side=side)


def _source(spec: JobSpec, *, side: Side, asked: Asked) -> object:
    one = side_of(spec, side)
    options: Mapping[str, Any] = one.source.options  # Any: the schema says what they hold
    match one.source.kind:
        case "sql" if "connection" in options:
            return _remote(one, side=side, asked=asked)
        case "sql":
            return Selected(select(options, window=asked.window), one, side.value)
        case "function":
            return _called(options, one, side=side, asked=asked)
        case "file":
            return files.rows(options, side=side.value, window=asked.window, now=asked.now)
        case _:
            return pages.Listing(
                options=options, window=asked.window, caller=_caller(one, side=side, asked=asked)
            ).rows()


def _remote(one: SideSpec, *, side: Side, asked: Asked) -> Remote:
    options: Mapping[str, Any] = one.source.options  # Any: JSON
    found = integrations.find_connection(options["connection"])
    if found is None:
        raise SourceFailed(f"there is no connection {options['connection']!r}", side=side.value)
    scheme = found.base_url.partition(":")[0]
    if scheme not in BY_SCHEME:
        known = " or ".join(sorted(BY_SCHEME))
        raise SourceFailed(f"the connection {found.name} leads to no {known}", side=side.value)
    caller = _caller(one, side=side, asked=asked)
    return Remote(
        options=options,
        side=one,
        window=asked.window,
        dialect=BY_SCHEME[scheme],
        caller=caller,
        page=remote.PAGE,
    )


def _caller(one: SideSpec, *, side: Side, asked: Asked) -> Caller:
    return Caller(
        side=side.value,
        connection=one.source.options.get("connection"),  # type: ignore[arg-type]  # the schema wants a text
        timeout_s=parse_duration(one.source.options.get("timeout", _TIMEOUT_S)),
        run_id=asked.run_id,
        correlation_id=asked.correlation_id,
        pulse=asked.pulse,
    )


def select(options: Mapping[str, Any], *, window: Window | None) -> Select:  # Any: JSON
    """This will write `:name` as psycopg wants it."""
    text = re.sub(PARAMETER, r"%(\1)s", options["query"].replace("%", "%%")).rstrip().rstrip(";")
    bounds = {
        "reads_from": None if window is None else window.reads_from,
        "reads_to": None if window is None else window.reads_to,
    }
    return Select(sql=text, params={**bounds, **options.get("params", {})})


def _called(options: Mapping[str, Any], one: SideSpec, *, side: Side, asked: Asked) -> object:  # Any: JSON
    try:
        found = registry.call(options["call"], args=options.get("args", {}), window=asked.window)
    except LookupError as error:
        raise SourceFailed(str(error), side=side.value) from error
    if isinstance(found, QuerySet):
        return _of_query(found, one, side=side)
    return Selected(found, one, side.value) if isinstance(found, Select) else found


def _of_query(query: "QuerySet[Any]", one: SideSpec, *, side: Side) -> object:  # Any: rows of any model
    """A query of `values()` is a select: the database sorts and sums it."""
    if not query.query.values_select and not query.query.annotation_select:
        raise SourceFailed("a query set must say its columns: add .values(...)", side=side.value)
    try:
        sql, params = query.order_by().query.sql_with_params()
    except EmptyResultSet:
        return []
    except DatabaseError as error:
        raise _failed(error, side=side.value) from error
    named = {f"{side.value}_{index}": value for index, value in enumerate(params)}
    return Selected(Select(sql=_named(sql, prefix=side.value), params=named), one, side.value)


def _named(sql: str, *, prefix: str) -> str:
    """Parameters by place become parameters by name."""
    parts = re.split(r"%s", sql)
    return "".join(
        part + (f"%({prefix}_{index})s" if index < len(parts) - 1 else "") for index, part in enumerate(parts)
    )
