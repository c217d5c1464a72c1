"""Finds out whether some durable place can be reached, for whoever asks over HTTP; it keeps no request waiting."""

import asyncio
import time
from collections.abc import Sequence

from automation.intake.stores import Store

_FRESH_S = 2.0


class Readiness:
    """Asks the stores, the first that is used first, at most once in two seconds however many ask."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = stores
        self._lock = asyncio.Lock()
        self._is_there = False
        self._asked_at = -_FRESH_S

    async def has_a_store(self) -> bool:
        """This will tell whether some store answers."""
        async with self._lock:
            if time.monotonic() - self._asked_at >= _FRESH_S:
                self._is_there = await asyncio.to_thread(self._ask)
                self._asked_at = time.monotonic()
            return self._is_there

    def _ask(self) -> bool:
        return any(store.is_reachable() for store in self._stores)
