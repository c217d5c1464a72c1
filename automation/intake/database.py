"""PostgreSQL as the durable place of what came in; nobody waits longer for it than he wants, and it repeats nothing.

A server that stands still acknowledges packets and answers nothing: only a limit on this side ends a wait for it. So a
connection is made in a thread of its own, and what is asked over it is given up when its time is over.
"""

import math
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import psycopg
import structlog
from django.db import connection
from psycopg.abc import RV, PQGen

from automation.intake import rows
from automation.intake.envelope import Envelope
from workflows import statements

log = structlog.get_logger(__name__)
_REST_S = 0.5
_LONGEST_REST_S = 8.0
_RETRY_S = 0.25
_CONNECT_S = 2


class LimitedConnection(psycopg.Connection[tuple[Any, ...]]):  # Any: rows of any statement
    """A connection that gives up waiting at `until` (monotonic), and is of no more use then."""

    until = math.inf

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """This will wait as psycopg does, but not beyond `until`. Raises psycopg.OperationalError then."""
        left = max(0.0, self.until - time.monotonic()) if math.isfinite(self.until) else timeout
        return super().wait(gen, interval, left)


class DatabaseStore:
    """A batch is one statement and one commit, and takes `patience_s` at most. The same request twice is one row.

    After a failure it rests, and gives batches back at once until it is connected anew. A server that lets in and then
    stands still is asked ever more rarely.
    """

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._coming: Future[LimitedConnection] | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._is_away = False
        self._rests_until = 0.0
        self._rest_s = _REST_S

    def put(self, envelopes: Sequence[Envelope]) -> Sequence[Envelope]:
        """This will write rows, and give back all of them when that failed. With nothing to write it connects."""
        until = time.monotonic() + self._patience_s
        for is_latest in (False, True):  # one that nobody has used for long may be dead, with PostgreSQL well
            link = self._connected(until)
            if link is None:
                return envelopes
            try:
                if envelopes:
                    _write(link, envelopes, until=until)
                self._is_away, self._rest_s = False, _REST_S
                return ()
            except psycopg.Error as error:
                self.close()
                is_late = time.monotonic() >= until
                if is_late or is_latest:
                    self._rest(error)
                    self._rest_s = min(2 * self._rest_s, _LONGEST_REST_S)
                    return envelopes
        return envelopes

    def close(self) -> None:
        """This will end the connection; the next batch makes a new one."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.add_done_callback(_hang_up)

    def is_reachable(self) -> bool:
        """This will connect anew, and tell whether that worked."""
        try:
            _connect(patience_s=self._patience_s).close()
        except psycopg.Error:
            return False
        return True

    def _connected(self, until: float) -> LimitedConnection | None:
        """The connection, if there is one in time; while PostgreSQL is away hardly anybody waits for it."""
        now = time.monotonic()
        patience_s = 0.0 if self._is_away else until - now
        if self._coming is None:
            if now < self._rests_until:
                return None
            self._coming = self._executor.submit(_connect, patience_s=self._patience_s)
            patience_s = _RETRY_S if self._is_away else patience_s
        try:
            return self._coming.result(timeout=patience_s)
        except FutureTimeoutError:
            self._note_away("it lets nobody in")  # perhaps it will: the next batch looks again
        except psycopg.Error as error:
            self._rest(error)
        return None

    def _rest(self, error: psycopg.Error) -> None:
        self.close()
        self._rests_until = time.monotonic() + self._rest_s
        self._note_away(f"{type(error).__name__}: {error}")

    def _note_away(self, reason: str) -> None:
        if not self._is_away:
            log.warning("intake_database_away", reason=reason[:200])
        self._is_away = True


def _connect(*, patience_s: float) -> LimitedConnection:
    """What is given up here is not waited for there: it must not gather at a table that is locked."""
    params = {**connection.get_connection_params(), "connect_timeout": _CONNECT_S}
    params["options"] = f"{params.get('options', '')} -c statement_timeout={math.ceil(2000 * patience_s)}"
    link = LimitedConnection.connect(**params, autocommit=True)
    log.info("intake_database_connected")
    return link


def _write(link: LimitedConnection, envelopes: Sequence[Envelope], *, until: float) -> None:
    link.until = until
    link.execute(statements.statements()[rows.STATEMENT], dict(rows.columns_of(envelopes)), prepare=True)


def _hang_up(coming: Future[LimitedConnection]) -> None:
    if coming.exception() is None:
        coming.result().close()
