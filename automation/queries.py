"""Reads of this app's tables; they change nothing."""

from functools import cache

import psycopg
from django.db import connection
from django.db.models import QuerySet

from automation.models import ApiToken


def find_token(*, digest: str) -> ApiToken | None:
    """This will find a token by the digest of its plain form.

    Every request of the API begins with it: the ORM writes the statement once per process, the database plans it once
    per connection.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        row = cursor.execute(_by_digest(), [digest], prepare=True).fetchone()
    return None if row is None else ApiToken.from_db(connection.alias, _columns(), row)


@cache
def _by_digest() -> str:
    statement, _ = ApiToken.objects.filter(digest="").order_by().query.sql_with_params()
    return statement


@cache
def _columns() -> tuple[str, ...]:
    return tuple(field.attname for field in ApiToken._meta.concrete_fields)


def tokens() -> QuerySet[ApiToken]:
    """This will select all tokens, the newest first."""
    return ApiToken.objects.order_by("-id")
