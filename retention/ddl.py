"""Runs statements that change tables; names and values become part of them safely."""

from django.db import connection
from psycopg import sql


def execute(template: str, *parts: str | sql.Literal) -> int:
    """This will run a statement with each `{}` replaced, texts as names; gives how many rows it changed."""
    composed = [part if isinstance(part, sql.Literal) else sql.Identifier(part) for part in parts]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(template).format(*composed))
        return int(cursor.rowcount)
