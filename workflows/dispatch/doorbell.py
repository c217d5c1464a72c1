"""Hears when something has become due, so that an idle system starts it in milliseconds; it carries no data.

A ring may be missed without harm: whoever waits also looks at the clock. It needs a connection of its own.
"""

import psycopg
from django.db import connection

_CHANNEL = "workflows_due"


class Doorbell:
    """A PostgreSQL LISTEN on the channel that starts and ends of segments notify."""

    def __init__(self) -> None:
        self._listener: psycopg.Connection[tuple[object, ...]] | None = None

    def wait(self, timeout_s: float) -> None:
        """This will return at the first ring, or after `timeout_s`; rings that came together count as one."""
        with connection.wrap_database_errors:
            listener = self._open()
            if timeout_s > 0:
                for _ in listener.notifies(timeout=timeout_s, stop_after=1):
                    pass

    def is_ringing(self) -> bool:
        """This will tell, without waiting, whether it has rung since the latest look, and forget the ring."""
        with connection.wrap_database_errors:
            return any(True for _ in self._open().notifies(timeout=0, stop_after=1))

    def close(self) -> None:
        """This will end the connection; the next wait makes a new one."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.close()

    def _open(self) -> psycopg.Connection[tuple[object, ...]]:
        if self._listener is None or self._listener.closed:
            params = connection.get_connection_params()
            wanted = {
                name: params[name]
                for name in ("host", "port", "user", "password", "dbname", "options")
                if name in params
            }
            self._listener = psycopg.connect(autocommit=True, **wanted)
            self._listener.execute(f"listen {_CHANNEL}")
        return self._listener
