"""Makes and drops the database of a test session; rows are committed for real and stay until the end."""

import os
from urllib.parse import urlsplit, urlunsplit

import psycopg
from django.core.management import call_command
from django.db import connections
from psycopg import sql

from tests.support.environment import DATABASE


def make() -> None:
    """This will make the session's database and migrate it."""
    with psycopg.connect(_maintenance_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
    call_command("migrate", verbosity=0, interactive=False)


def drop() -> None:
    """This will drop it, whoever is still connected."""
    connections.close_all()
    with psycopg.connect(_maintenance_url(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(DATABASE)))


def _maintenance_url() -> str:
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path="/postgres"))
