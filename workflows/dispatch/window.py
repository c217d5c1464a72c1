"""Keeps the lanes' queues short: work waits in the database, where its priority counts, and not in the broker.

A queue is first in, first out, so the window is a length of time: as many messages as the lane's workers take in
`seconds`, by the rate at which they took them so far. A full lane is left alone until its queue has drained, so a
wake-up is not sent again while the first still waits.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

_LOOK_EVERY_S = 0.05
_FIRST_SIZE = 16
_LEAST_SIZE = 4
_PER_CONSUMER = 2


class Depth(NamedTuple):
    """What the broker says of a queue: messages that wait, and processes that consume."""

    messages: int
    consumers: int


class Look(NamedTuple):
    """What happened to a queue between two looks: how many messages were taken out, and how many still wait."""

    drained: int
    waiting: int
    seconds: float
    consumers: int


@dataclass(slots=True)
class _Lane:
    size: int
    room: int = 0
    looked_at: float = 0.0
    depth: int = 0
    sent: int = 0
    per_message: float = 1.0


def next_size(size: int, *, look: Look, seconds: float, cap: int) -> int:
    """This will give how many messages may wait from now on.

    A queue that ran empty says only that more could have been taken: the window doubles. Else the rate is known, and
    the window goes half the way to what is taken in `seconds`.

    >>> next_size(16, look=Look(drained=20, waiting=6, seconds=0.1, consumers=1), seconds=0.3, cap=200)
    38
    >>> next_size(16, look=Look(drained=16, waiting=0, seconds=0.1, consumers=1), seconds=0.3, cap=200)
    32
    """
    least = min(cap, max(_LEAST_SIZE, _PER_CONSUMER * look.consumers))
    if look.waiting == 0:
        wanted = size * 2 if look.drained >= size else size
    else:
        rate = max(look.drained, 0) / max(look.seconds, 0.001)
        wanted = math.ceil((size + rate * seconds) / 2)
    return max(least, min(cap, wanted))


class Window:
    """How many messages each lane may still take. `depth` asks the broker for the state of a lane's queue."""

    def __init__(self, *, lanes: Collection[str], cap: int, seconds: float, depth: Callable[[str], Depth]) -> None:
        self._cap = cap
        self._seconds = seconds
        self._depth = depth
        self._lanes = {lane: _Lane(size=min(cap, _FIRST_SIZE)) for lane in lanes}

    def rooms(self) -> Mapping[str, int]:
        """This will give how many activations each lane may take now, lanes without room left out.

        Only lanes without known room are looked at. A message carries as many as the latest ones did.
        """
        for name, lane in self._lanes.items():
            if lane.room <= 0:
                self._look(name, lane)
        return {name: math.ceil(lane.room * lane.per_message) for name, lane in self._lanes.items() if lane.room > 0}

    def look_ahead(self) -> None:
        """This will look at lanes whose room gets scarce, so that nobody has to wait for that look later."""
        for name, lane in self._lanes.items():
            if 0 < lane.room <= lane.size // 2:
                self._look(name, lane)

    def note_sent(self, lane: str, *, messages: int, activations: int) -> None:
        """This will count what has been sent."""
        state = self._lanes.setdefault(lane, _Lane(size=min(self._cap, _FIRST_SIZE)))
        state.room -= messages
        state.sent += messages
        state.per_message += (activations / messages - state.per_message) / 2

    def _look(self, name: str, lane: _Lane) -> None:
        now = time.monotonic()
        seconds = now - lane.looked_at
        if seconds < _LOOK_EVERY_S:
            return
        found = self._depth(name)
        look = Look(
            drained=lane.depth + lane.sent - found.messages,
            waiting=found.messages,
            seconds=seconds,
            consumers=found.consumers,
        )
        lane.size = next_size(lane.size, look=look, seconds=self._seconds, cap=self._cap)
        lane.room = lane.size - found.messages
        lane.depth, lane.sent, lane.looked_at = found.messages, 0, now
