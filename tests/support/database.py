"""Makes and drops the database of a test session; rows are committed for real and stay until the end."""

import os
import time
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from tests.support.environment import DATABASE

_TRIES, _PAUSE_S = 40, 0.25


def make() -> None:
    """This will make the session's database and migrate it."""
    with psycopg.connect(_maintenance_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    call_command("migrate", verbosity=0, interactive=False)


def drop() -> None:
    """This will drop it, whoever is still connected."""
    connections.close_all()
    statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE))
    with psycopg.connect(_maintenance_url(), autocommit=True) as connection:
        for is_last in (*[False] * _TRIES, True):
            try:
                connection.execute(statement)
                return
            except psycopg.errors.InsufficientPrivilege:  # the server is vacuuming it, and nobody may end that
                if is_last:
                    raise
                time.sleep(_PAUSE_S)


def _maintenance_url() -> str:
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres"))
