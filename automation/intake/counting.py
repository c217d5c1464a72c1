"""Counts requests that were not taken, by source and reason, and writes the counts down from time to time.

A count that was not written yet is lost with the process: nothing was acknowledged for it.
"""

import threading
from collections import Counter
from datetime import datetime

from django.db import connection
from django.utils import timezone

from workflows import statements

statements.add_file(package="automation", name="inbound.sql")


class Refusals:
    """What was refused since the latest writing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def note(self, *, source: str, reason: str) -> None:
        """This will count one."""
        with self._lock:
            self._counts[source, reason] += 1

    def write(self, *, now: datetime | None = None) -> int:
        """This will add what was counted to its rows, one for each source, reason and hour; gives how many."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return 0
        at = now or timezone.now()
        try:
            statements.run(
                "count_refusals",
                {
                    "sources": [source for source, _ in counts],
                    "reasons": [reason for _, reason in counts],
                    "counts": list(counts.values()),
                    "hour": at.replace(minute=0, second=0, microsecond=0),
                    "at": at,
                },
            )
        except Exception:
            with self._lock:
                self._counts.update(counts)
            connection.close()
            raise
        return sum(counts.values())
