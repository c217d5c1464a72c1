"""Looks at all open runs again and again while the platform is struck, and remembers what is wrong."""

import threading
from typing import Any
from uuid import UUID

import psycopg

from tests.support import silence

_EVERY_S = 0.25
_CONNECTIONS = "select count(*) from pg_stat_activity where datname = current_database()"


class Watch:
    """A thread with a connection of its own. `looks` counts how often all open runs were looked at.

    `peak_connections` is the most that were open to the database at any look, its own among them.
    """

    def __init__(self, *, url: str) -> None:
        self._url = url
        self.looks = self.peak_connections = 0
        self._found: dict[tuple[UUID, str], None] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    @property
    def unnamed_waits(self) -> list[tuple[UUID, str]]:
        """This will give the runs that did not say what they waited for, each with what was seen."""
        return list(self._found)

    def start(self) -> None:
        """This will begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """This will end it."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=2) as connection:
                    self._look_until_lost(connection)
            except psycopg.OperationalError:  # the database has been struck
                self._stopping.wait(_EVERY_S)

    def _look_until_lost(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:  # Any: whatever is asked
        while not self._stopping.wait(_EVERY_S):
            for run_id, what in connection.execute(silence.OF_ALL).fetchall():
                self._found[run_id, what] = None
            (open_ones,) = connection.execute(_CONNECTIONS).fetchall()[0]
            self.peak_connections = max(self.peak_connections, open_ones)
            self.looks += 1
