"""Loads named statements (`hot_path.sql`, and the files other apps add) and runs them; it knows not what they mean."""

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any

import psycopg
from django.db import connection

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_PLANS_S = 5.0
_SPARE_S = 2.0
_plans = threading.local()
_files = [("workflows", "hot_path.sql")]


def add_file(*, package: str, name: str) -> None:
    """This will have the named statements of another file be found, too; call it when its module is imported."""
    if (package, name) not in _files:
        _files.append((package, name))
        statements.cache_clear()


@cache
def statements() -> Mapping[str, str]:
    """This will read every statement by its name."""
    return {title: text for package, name in _files for title, text in read(package=package, name=name).items()}


def read(*, package: str, name: str) -> Mapping[str, str]:
    """This will read the statements of one file by their names."""
    parts = _NAME.split(resources.files(package).joinpath(name).read_text(encoding="utf-8"))[1:]
    return {title: _without_comments(body) for title, body in zip(parts[::2], parts[1::2], strict=True)}


def run(name: str, params: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:  # rows: typed by the caller
    """This will execute a named statement, prepared, on Django's connection and inside its transaction."""
    with _cursor() as cursor:
        return cursor.execute(statements()[name], params, prepare=True).fetchall()


def execute(name: str, params: Mapping[str, object]) -> int:
    """This will execute a named statement that gives no rows, and give how many it changed."""
    with _cursor() as cursor:
        return cursor.execute(statements()[name], params, prepare=True).rowcount


def renew_plans() -> bool:
    """This will let go of plans that are nearly too old, and tell whether it did: who has time now plans anew now."""
    if time.monotonic() < getattr(_plans, "good_until", 0.0) - _SPARE_S:
        return False
    _plans.good_until = 0.0
    return True


@contextmanager
def _cursor() -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:  # rows of any statement
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        now = time.monotonic()
        if now > getattr(_plans, "good_until", 0.0):
            # Hot tables swing between empty and full within seconds, and a plan knows only one of the two.
            cursor.execute("discard plans", prepare=False)
            _plans.good_until = now + _PLANS_S
        yield cursor


def _without_comments(body: str) -> str:
    lines = (line for line in body.splitlines() if not line.startswith("--"))
    return "\n".join(lines).strip().rstrip(";")
