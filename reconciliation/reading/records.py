"""Turns rows of a source into records: key, values, and which of them count; no I/O of its own."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from reconciliation.core.buckets import PARTS
from reconciliation.core.comparators import instant
from reconciliation.core.record import Record, Side, as_text
from reconciliation.core.window import Window
from reconciliation.errors import SourceFailed
from reconciliation.jobs.meaning import RECORD
from reconciliation.jobs.spec import JobSpec, SideSpec
from reconciliation.reading.presenting import plain
from workflows.expressions import ExpressionFailed, compile_condition

_BEAT_ROWS = 100
_Row = Mapping[str, Any]  # Any: of any type


class Records:
    """Makes records of the rows of one side, and tells `beat` how many it has read since it was told the last time.

    Raises SourceFailed, as it is iterated, for rows the job cannot use.
    """

    def __init__(
        self, *, spec: JobSpec, side: Side, window: Window | None, beat: Callable[[int], None] = lambda _rows: None
    ) -> None:
        self._spec = side_of(spec, side)
        self._side = side
        self._zone = spec.clock.zone if spec.clock else "UTC"
        self._window = window
        self._beat = beat
        self._where = None
        if self._spec.source.where:
            self._where = compile_condition(self._spec.source.where, scope=RECORD).evaluate

    def of(self, rows: Iterable[_Row]) -> Iterator[Record]:
        """This will give the record of each row that counts, in the order of the rows."""
        key_of, values_of = self._key_reader(), self._values_reader()
        counts = self._counts if self._window is not None or self._where is not None else None
        for position, row in enumerate(rows, start=1):
            if position % _BEAT_ROWS == 0:
                self._beat(_BEAT_ROWS)
            try:
                key = key_of(row)
                if counts is None or counts(row):
                    yield Record(key, values_of(row), row)
            except KeyError as error:
                known = ", ".join(map(str, row))
                message = f"row {position} has no column {error.args[0]!r}: it has {known}"
                raise SourceFailed(message, side=self._side.value) from error
            except _NoKey as error:
                message = f"row {position} has no {error.args[0]}: every record needs its key"
                raise SourceFailed(message, side=self._side.value) from error

    def _key_reader(self) -> Callable[[_Row], str]:
        columns = self._spec.key
        if len(columns) == 1:
            (column,) = columns
            return lambda row: _part(row, column)
        return lambda row: PARTS.join(_part(row, column) for column in columns)

    def _values_reader(self) -> Callable[[_Row], tuple[Any, ...]]:  # Any: as the source gives them
        columns = self._spec.columns
        if all(len(one) == 1 for one in columns):
            names = [one[0] for one in columns]
            return lambda row: tuple([row[name] for name in names])
        return lambda row: tuple(row[one[0]] if len(one) == 1 else (row[one[0]], row[one[1]]) for one in columns)

    def _counts(self, row: _Row) -> bool:
        if self._window is not None and self._spec.time:
            at = instant(row[self._spec.time], zone=self._zone)
            if at is not None and not _is_read(self._window, at):
                return False
        if self._where is None:
            return True
        try:
            return self._where({"record": plain(row)}) is True
        except ExpressionFailed as error:
            raise SourceFailed(f"`where` has no answer for a record: {error}", side=self._side.value) from error


def side_of(spec: JobSpec, side: Side) -> SideSpec:
    """This will give one side of a job."""
    return spec.left if side is Side.LEFT else spec.right


class _NoKey(Exception):
    """A row without a part of its key."""


def _part(row: _Row, column: str) -> str:
    text = as_text(row[column])
    if text is None:
        raise _NoKey(column)
    return text


def _is_read(window: Window, at: datetime) -> bool:
    return window.reads_from <= at < window.reads_to
