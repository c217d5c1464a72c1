"""Looks at all open runs again and again while the platform is struck, and remembers what is wrong."""

import threading
from uuid import UUID

import psycopg

_EVERY_S = 0.25
_SILENT = """
select run.id, 'has no activation' from workflows_run as run
where run.state = 'running' and not exists (select from workflows_activation as a where a.run_id = run.id)
union all
select run_id, format('%s because of %s, owner %L', state, wait_reason, owner) from workflows_activation
where not (
    (state = 'ready' and wait_reason = 'worker')
    or (state = 'leased' and wait_reason = 'running' and owner <> '')
    or (state = 'waiting' and wait_reason in ('retry', 'items', 'rate', 'breaker') and owner = '')
    or (state = 'waiting' and wait_reason in ('timer', 'limit') and wait_object <> '' and owner = ''))
"""


class Watch:
    """A thread with a connection of its own. `looks` counts how often all open runs were looked at."""

    def __init__(self, *, url: str) -> None:
        self._url = url
        self.looks = 0
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

    def _look_until_lost(self, connection: psycopg.Connection[tuple[UUID, str]]) -> None:
        while not self._stopping.wait(_EVERY_S):
            for run_id, what in connection.execute(_SILENT).fetchall():
                self._found[run_id, what] = None
            self.looks += 1
