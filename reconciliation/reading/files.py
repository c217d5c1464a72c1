"""Reads CSV and JSON lines from the folder jobs may read from; it never leaves that folder."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import orjson
from django.conf import settings

from reconciliation.core.window import Window
from reconciliation.errors import SourceFailed
from reconciliation.jobs.meaning import DAY
from workflows.expressions import compile_value


def rows(
    options: Mapping[str, Any], *, side: str, window: Window | None, now: datetime
) -> Iterator[Mapping[str, object]]:  # Any: the schema says what the options hold
    """This will give the rows of a file, one in memory at a time. Raises SourceFailed with the line."""
    day = (window.ends_at if window else now).date().isoformat()
    name = str(compile_value(options["path"], scope=DAY).evaluate({"day": day}))
    kind = options.get("format") or name.rpartition(".")[2]
    with _opened(name, side=side) as file:
        if kind == "csv":
            yield from _csv(file, name=name, delimiter=options.get("delimiter", ","), side=side)
        else:
            yield from _json_lines(file, name=name, side=side)


def _csv(file: IO[str], *, name: str, delimiter: str, side: str) -> Iterator[Mapping[str, object]]:
    reader = csv.DictReader(file, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                message = (
                    f"{name}, line {reader.line_num}: it has not the {len(reader.fieldnames or ())} columns of line 1"
                )
                raise SourceFailed(message, side=side)
            yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise SourceFailed(f"{name}, line {reader.line_num}: {error}", side=side) from error


def _json_lines(file: IO[str], *, name: str, side: str) -> Iterator[Mapping[str, object]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise SourceFailed(f"{name}, line {number}: no JSON: {error}", side=side) from error
        if not isinstance(row, dict):
            raise SourceFailed(f"{name}, line {number}: a record is an object such as {{...}}", side=side)
        yield row


@contextmanager
def _opened(name: str, *, side: str) -> Iterator[IO[str]]:
    folder = Path(settings.RECONCILIATION_FILES).resolve()
    path = (folder / name).resolve()
    if not settings.RECONCILIATION_FILES or not path.is_relative_to(folder):
        raise SourceFailed(f"{name!r} is not inside RECONCILIATION_FILES", side=side)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield file
    except OSError as error:
        raise SourceFailed(f"{name} cannot be read: {error.strerror}", side=side) from error
