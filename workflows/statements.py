"""Loads named statements (`hot_path.sql`, and the files other apps add) and runs them; it knows not what they mean."""

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import resources
from typing import Any, TypeAlias, TypeVar

import psycopg
from django.db import OperationalError, connection

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_Cursor: TypeAlias = psycopg.Cursor[tuple[Any, ...]]  # Any: rows of any statement
_Answer = TypeVar("_Answer")
_TRIES = 5
_PAUSE_S = 0.005
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
    """This will execute a named statement, prepared, on Django's connection and inside its transaction.

    Outside one it is tried again where the database has ended it because of a deadlock: nothing of it has happened.
    """
    return _insisted(lambda cursor: cursor.execute(statements()[name], params, prepare=True).fetchall())


def execute(name: str, params: Mapping[str, object]) -> int:
    """This will execute a named statement as `run` does that gives no rows, and give how many it changed."""
    return _insisted(lambda cursor: cursor.execute(statements()[name], params, prepare=True).rowcount)


def renew_plans() -> bool:
    """This will let go of plans that are nearly too old, and tell whether it did: who has time now plans anew now."""
    if time.monotonic() < getattr(_plans, "good_until", 0.0) - _SPARE_S:
        return False
    _plans.good_until = 0.0
    return True


def _insisted(ask: Callable[[_Cursor], _Answer]) -> _Answer:
    for _ in range(_TRIES - 1):
        try:
            with _cursor() as cursor:
                return ask(cursor)
        except OperationalError as error:
            is_deadlock = isinstance(error.__cause__, psycopg.errors.DeadlockDetected)
            if connection.in_atomic_block or not is_deadlock:
                raise
        time.sleep(_PAUSE_S)
    with _cursor() as cursor:
        return ask(cursor)


@contextmanager
def _cursor() -> Iterator[_Cursor]:
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
