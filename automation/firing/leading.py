"""Which scheduler works on schedules: the one that holds an advisory lock of PostgreSQL, on a connection of its own.

The lock only spares work. What makes a second fire impossible are rows with a unique constraint, so two leaders, or one
that has lost its lock without knowing, do no harm. A process that dies loses its connection, and with it the lock.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import psycopg
from django.db import connection

_KEY = 0x5C4ED01E
_CLIENT: Mapping[str, Any] = {  # Any: psycopg's options have many types
    "keepalives": 1,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 4000,
    "connect_timeout": 3,
}
_SERVER = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3 -c statement_timeout=3000"


_HELD = """
select exists (
    select from pg_locks
    where locktype = 'advisory' and classid = 0 and objid = %s and objsubid = 1 and granted
      and database = (select oid from pg_database where datname = current_database())
)
"""


def is_led() -> bool:
    """This will tell whether any scheduler leads."""
    with connection.cursor() as cursor:
        cursor.execute(_HELD, [_KEY])
        (found,) = cursor.fetchone()
    return bool(found)


class Leadership:
    """The lock, if this process has it."""

    def __init__(self) -> None:
        self._session: psycopg.Connection[tuple[object, ...]] | None = None
        self._is_held = False

    def is_held(self) -> bool:
        """This will ask for the lock, or whether it is still there; whatever goes wrong, it is not."""
        try:
            session = self._open()
            if self._is_held:
                session.execute("select 1")
            else:
                row = session.execute("select pg_try_advisory_lock(%s)", [_KEY]).fetchone()
                self._is_held = bool(row and row[0])
        except psycopg.Error:
            self.let_go()
        return self._is_held

    def let_go(self) -> None:
        """This will free the lock at once, not only when the server notices the end of the connection, and end both."""
        session, self._session, was_held, self._is_held = self._session, None, self._is_held, False
        if session is None:
            return
        with suppress(psycopg.Error):
            if was_held and not session.closed:
                session.execute("select pg_advisory_unlock(%s)", [_KEY])
        session.close()

    def _open(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._session is None or self._session.closed:
            self._is_held = False
            params = connection.get_connection_params()
            wanted: dict[str, Any] = {
                name: params[name] for name in ("host", "port", "user", "password", "dbname") if name in params
            }
            self._session = psycopg.connect(autocommit=True, options=_SERVER, **{**wanted, **_CLIENT})
        return self._session
