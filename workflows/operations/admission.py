"""Refuses starts into a lane that has far too much to do already, before the database suffers; it queues nothing.

What waits is not counted for each request: a count buys room for a tenth of what is missing to the limit, and a full
lane is not counted again for a second. So each process may pass the limit a little, and an idle system pays nothing.
"""

import time
from collections.abc import Callable

import structlog
from django.conf import settings

from workflows import due
from workflows.errors import LaneFull

log = structlog.get_logger(__name__)
_SHARE = 10
_MOST = 1_000
_FULL_S = 1.0


class Gate:
    """The room that this process knows of. `count` gives what waits in a lane, counting no further than a limit."""

    def __init__(self, *, count: Callable[[str, int], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._room: dict[str, int] = {}
        self._full_until: dict[str, float] = {}

    def admit(self, lane: str, *, limit: int) -> None:
        """This will let one more run into a lane. Raises LaneFull when `limit` or more segments wait there."""
        if self._clock() < self._full_until.get(lane, 0.0):
            raise LaneFull(lane=lane, limit=limit)
        room = self._room.get(lane, 0)
        if room <= 0:
            room = self._find_room(lane, limit=limit)
        self._room[lane] = room - 1

    def _find_room(self, lane: str, *, limit: int) -> int:
        waiting = self._count(lane, limit)
        if waiting >= limit:
            self._full_until[lane] = self._clock() + _FULL_S
            log.warning("lane_full", lane=lane, limit=limit)
            raise LaneFull(lane=lane, limit=limit)
        return max(1, min(_MOST, (limit - waiting) // _SHARE))


_gate = Gate(count=lambda lane, limit: due.count_due(lane=lane, limit=limit))


def admit(lane: str) -> None:
    """This will let one more run into a lane, by the limit of the settings. Raises LaneFull."""
    if settings.API_LANE_LIMIT:
        _gate.admit(lane, limit=settings.API_LANE_LIMIT)
