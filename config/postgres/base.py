"""Sees that PostgreSQL has hung up without asking it; it changes nothing else of Django's engine.

A connection that is asked `select 1` before each request pays a round trip for news that its socket has already.
"""

import select
import time

from django.db.backends.postgresql import base

_TRUSTED_S = 30.0
"""How long silence proves anything: what stands between us and the server may forget an idle connection silently."""


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's connection to PostgreSQL."""

    _usable_at = float("-inf")

    def is_usable(self) -> bool:
        """This will tell whether the connection still works; the server is asked only after a long rest."""
        now = time.monotonic()
        is_fresh = now - self._usable_at < _TRUSTED_S and not self.errors_occurred
        usable = (is_fresh and self._is_silent()) or super().is_usable()
        self._usable_at = now if usable else float("-inf")
        return usable

    def _is_silent(self) -> bool:
        """The end of a connection is something to read; while nobody asks anything, nothing else is."""
        if self.connection is None or self.connection.closed:
            return False
        socket = select.poll()
        socket.register(self.connection.fileno(), select.POLLIN)
        return not socket.poll(0)
