"""The pools of SQL connections of this process; each socket leads to a checked address.

A pool is made at the first call, so after the fork of a worker, and anew when its connection is changed.
"""

import functools
import os
import socket
import ssl
import threading
from contextvars import ContextVar
from typing import Any

import psycopg
import pymysql
import sqlalchemy

from integrations import endpoints
from integrations.adapters.sql.kind import SCHEMES
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline, Endpoint

_MORE_THAN_POOL = 5
_RECYCLE_S = 600
_DRIVERS = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}

_engines: dict[str, tuple[ConnectionSettings, sqlalchemy.Engine]] = {}
"""The pool of each connection, with the settings it was made for."""
_making = threading.Lock()


_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""Until when a connection that a pool opens now may take."""


def connect(connection: ConnectionSettings, *, deadline: Deadline) -> sqlalchemy.Connection:
    """This will take a connection out of the pool, or open one in time. Raises as SQLAlchemy and the guard do."""
    token = _deadline.set(deadline)
    try:
        return _engine(connection).connect()
    finally:
        _deadline.reset(token)


def _engine(connection: ConnectionSettings) -> sqlalchemy.Engine:
    """This will give the pool of a connection. Raises Refused when its base URL is wrong."""
    with _making:
        settings, found = _engines.get(connection.name, (None, None))
        if found is not None and settings == connection:
            return found
        made = _made(connection)
        _engines[connection.name] = (connection, made)
    if found is not None:
        found.dispose()
    return made


def shutdown(connection: Any) -> None:  # Any: a connection of either driver
    """This will break a connection off from another thread: whoever waits for its server stops waiting."""
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as copy:
            copy.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        pass  # it is closed already


class _Cursor(psycopg.ServerCursor[Any]):
    """A cursor that SQLAlchemy may leave to the collector when its connection broke."""

    def __del__(self, *_: object) -> None:
        """This will warn of nothing: the server has forgotten it with the connection."""


class _MariaDB(pymysql.connections.Connection):
    """A connection that tells which file descriptor it reads."""

    def fileno(self) -> int:
        """This will be the descriptor of its socket."""
        return int(self._sock.fileno())


def _made(connection: ConnectionSettings) -> sqlalchemy.Engine:
    target = endpoints.endpoint(connection, schemes=SCHEMES)
    open_one = _open_postgresql if target.scheme == "postgresql" else _open_mariadb
    return sqlalchemy.create_engine(
        f"{_DRIVERS[target.scheme]}://",
        creator=functools.partial(open_one, target, connection),
        pool_size=int(str(connection.options.get("pool_size", 5))),
        max_overflow=_MORE_THAN_POOL,
        pool_timeout=connection.connect_timeout_s,
        pool_recycle=_RECYCLE_S,
        pool_pre_ping=True,
        hide_parameters=True,  # what is bound may be a secret, and errors show it
    )


def _open_postgresql(target: Endpoint, connection: ConnectionSettings) -> psycopg.Connection:
    timeout_s = _time_s(connection)
    found = endpoints.addresses(target, connection=connection, timeout_s=timeout_s)
    options = connection.options
    is_encrypted = options.get("tls", "verify") == "verify"
    opened = psycopg.connect(
        host=",".join([target.host] * len(found)),
        hostaddr=",".join(map(str, found)),
        port=target.port,
        dbname=str(options["database"]),
        user=str(options["user"]),
        password=connection.secret_values.get("password"),
        passfile=os.devnull,  # only what the connection says
        sslmode="verify-full" if is_encrypted else "disable",
        sslrootcert=str(options.get("ca_file", "system")) if is_encrypted else None,
        connect_timeout=max(round(timeout_s), 2),  # libpq waits for whole seconds, two at least
        application_name="automation-engine",
        prepare_threshold=0,  # the extended protocol: a text that holds two statements is refused
    )
    opened.server_cursor_factory = _Cursor
    return opened


def _open_mariadb(target: Endpoint, connection: ConnectionSettings) -> _MariaDB:
    options, timeout_s = connection.options, _time_s(connection)
    context = None
    if options.get("tls", "verify") == "verify":
        ca_file = options.get("ca_file")
        context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    opened = _MariaDB(
        host=target.host,
        user=str(options["user"]),
        password=connection.secret_values.get("password", ""),
        database=str(options["database"]),
        charset="utf8mb4",
        ssl=context,
        ssl_disabled=context is None,
        connect_timeout=timeout_s,
        read_timeout=timeout_s,
        local_infile=False,
        defer_connect=True,
    )
    opened.connect(endpoints.connect(target, connection=connection, timeout_s=timeout_s))
    opened._read_timeout = None  # that was for the greeting; a call has a deadline of its own
    return opened


def _time_s(connection: ConnectionSettings) -> float:
    deadline = _deadline.get()
    left_s = connection.connect_timeout_s if deadline is None else deadline.left_s
    return max(min(left_s, connection.connect_timeout_s), 0.001)


def _forget() -> None:
    """A child must not speak on its parent's sockets, nor close what the parent still uses."""
    for _, pool in _engines.values():
        pool.dispose(close=False)
    _engines.clear()


os.register_at_fork(after_in_child=_forget)
