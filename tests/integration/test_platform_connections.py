"""Connections to PostgreSQL: that the end of one is seen without asking, and never missed."""

from collections.abc import Iterator
from unittest.mock import patch

import psycopg
import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from config.postgres import base
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def connection() -> Iterator[BaseDatabaseWrapper]:
    """This will be an open connection of its own, which was found usable a moment ago."""
    own = connections.create_connection("default")
    own.connect()
    assert own.is_usable()
    yield own
    own.close()


def test_a_connection_in_use_is_not_asked_whether_it_works(connection: BaseDatabaseWrapper) -> None:
    with patch.object(psycopg.Cursor, "execute", side_effect=AssertionError("a round trip")):
        assert connection.is_usable()


def test_a_connection_that_the_server_has_ended_is_not_usable(connection: BaseDatabaseWrapper) -> None:
    _end_at_the_server(connection)

    wait_until(lambda: not connection.is_usable(), what="the end of the connection was seen")


def test_a_connection_is_asked_after_a_long_rest_and_after_an_error(connection: BaseDatabaseWrapper) -> None:
    with patch.object(psycopg.Cursor, "execute", side_effect=psycopg.OperationalError("asked")):
        with patch.object(base, "_TRUSTED_S", 0.0):
            assert not connection.is_usable()
        connection._usable_at = float("inf")  # type: ignore[attr-defined]  # of our engine
        connection.errors_occurred = True
        assert not connection.is_usable()


def test_a_connection_that_was_never_opened_or_was_closed_is_not_usable(connection: BaseDatabaseWrapper) -> None:
    connection.connection.close()

    assert not connection.is_usable()


def _end_at_the_server(connection: BaseDatabaseWrapper) -> None:
    pid = connection.connection.info.backend_pid
    with psycopg.connect(_url(connection), autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s)", [pid])


def _url(connection: BaseDatabaseWrapper) -> str:
    info = connection.connection.info
    return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"
