"""Keeps the lanes' queues short: work waits in the database, where its priority counts, and not in the broker.

A full lane is left alone until its queue has drained, so a wake-up is not sent again while the first still waits.
"""

import time
from collections.abc import Callable, Collection, Sequence

_LOOK_EVERY_S = 0.05


class Window:
    """How many messages each lane may still take. `depth` asks the broker for the length of a lane's queue."""

    def __init__(self, *, lanes: Collection[str], size: int, depth: Callable[[str], int]) -> None:
        self._size = size
        self._depth = depth
        self._room = dict.fromkeys(lanes, 0)
        self._looked_at = dict.fromkeys(lanes, 0.0)

    def open_lanes(self) -> Sequence[str]:
        """This will give the lanes that may take messages now; only lanes without known room are looked at."""
        now = time.monotonic()
        for lane, room in self._room.items():
            if room <= 0 and now - self._looked_at[lane] >= _LOOK_EVERY_S:
                self._room[lane] = self._size - self._depth(lane)
                self._looked_at[lane] = now
        return [lane for lane, room in self._room.items() if room > 0]

    def note_sent(self, lane: str, *, messages: int) -> None:
        """This will count what has been sent."""
        self._room[lane] = self._room.get(lane, 0) - messages
