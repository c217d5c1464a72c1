"""Loads the named statements of `hot_path.sql` and runs them; it knows nothing of what they mean."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

import psycopg
from django.db import connection

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def statements() -> Mapping[str, str]:
    """This will read every statement of `hot_path.sql` by its name."""
    text = resources.files("workflows").joinpath("hot_path.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {name: _without_comments(body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def run(name: str, params: Mapping[str, object]) -> Sequence[tuple[Any, ...]]:  # rows: typed by the caller
    """This will execute a named statement, prepared, on Django's connection and inside its transaction."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statements()[name], params, prepare=True).fetchall()


def execute(name: str, params: Mapping[str, object]) -> int:
    """This will execute a named statement that gives no rows, and give how many it changed."""
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(statements()[name], params, prepare=True).rowcount


def _without_comments(body: str) -> str:
    lines = (line for line in body.splitlines() if not line.startswith("--"))
    return "\n".join(lines).strip().rstrip(";")
