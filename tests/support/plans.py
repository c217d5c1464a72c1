"""How the database plans a statement for any values, as prepared statements are planned; it runs nothing."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from django.db import connection
from psycopg import sql


def explain(statement: str, params: Mapping[str, object]) -> dict[str, Any]:
    """This will give the plan that the database uses for any values, as the engine's prepared statements get it."""
    names: list[str] = []

    def numbered(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    text = re.sub(r"%\((\w+)\)s", numbered, statement)
    values = sql.SQL(", ").join(sql.Literal(params[key]) for key in names)
    with connection.cursor() as cursor:
        raw = cursor.connection
        with raw.cursor() as plain:
            plain.execute(f"prepare probe as {text}")
            try:
                execute = sql.SQL("execute probe({})").format(values) if names else sql.SQL("execute probe")
                (answer,) = plain.execute(sql.SQL("explain (format json) {}").format(execute)).fetchone()
            finally:
                plain.execute("deallocate probe")
    plans = orjson.loads(answer) if isinstance(answer, str) else answer
    return dict(plans[0]["Plan"])


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """This will walk through a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)
