"""Keeps fetched secrets for their lease, in the memory of the process only; it asks a store once at a time.

While a lease lasts, nobody is asked. Then one caller asks again while others go on with what was known. While the store
is away, what was known is served for a bounded time more; a secret with a lease of its own never beyond it. What the
store says is missing is forgotten at once.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.secret_stores.contract import Away, Fetched, Missing

RENEWED_AT = 2 / 3
"""A lease of the store's own is renewed after this share of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long a secret is kept, in seconds: fresh, then stale while the store is away; when to ask again."""

    fresh_s: float
    stale_s: float
    again_s: float = 5.0


@dataclass(slots=True)
class _Entry:
    asking: threading.Lock = field(default_factory=threading.Lock)
    fetched: Fetched | None = None
    fresh_until: float = 0.0
    good_until: float = 0.0
    hinted_at: float | None = None

    def is_fresh(self, now: float) -> bool:
        """This will tell whether nobody need be asked."""
        return self.fetched is not None and now < self.fresh_until

    def is_good(self, now: float) -> bool:
        """This will tell whether it may still be served while the store is away."""
        return self.fetched is not None and now < self.good_until


class Cache:
    """What was fetched, by store and place. `clock` gives seconds that only grow."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, _Entry] = {}

    def get(self, key: str, *, fetch: Callable[[], Fetched], bounds: Bounds) -> Fetched:
        """This will give what is at a place. Raises Missing, and Away when nothing good is known."""
        entry = self._entries.setdefault(key, _Entry())
        now = self._clock()
        if entry.fetched is not None and entry.is_fresh(now):
            return entry.fetched
        must_wait = not entry.is_good(now)
        if not entry.asking.acquire(blocking=must_wait):
            return self._stale(entry)
        try:
            if entry.fetched is not None and entry.is_fresh(self._clock()):
                return entry.fetched
            return self._refresh(entry, fetch=fetch, bounds=bounds)
        finally:
            entry.asking.release()

    def is_fresh(self, key: str, *, for_s: float = 0.0) -> bool:
        """This will tell whether `get` asks nobody, now and for a while."""
        entry = self._entries.get(key)
        return entry is not None and entry.is_fresh(self._clock() + for_s)

    def hint(self, key: str, *, bounds: Bounds) -> None:
        """This will have the next `get` ask the store, for a peer did not take the secret; at most once in a while."""
        entry = self._entries.get(key)
        now = self._clock()
        if entry is None or (entry.hinted_at is not None and now < entry.hinted_at + bounds.again_s):
            return
        entry.hinted_at = now
        entry.fresh_until = now

    def forget(self, key: str | None = None) -> None:
        """This will forget a place, or all of them."""
        if key is None:
            self._entries.clear()
        else:
            self._entries.pop(key, None)

    def _stale(self, entry: _Entry) -> Fetched:
        fetched = entry.fetched
        if fetched is None:  # it was found missing a moment ago
            raise Missing("the store has it no longer")
        return fetched

    def _refresh(self, entry: _Entry, *, fetch: Callable[[], Fetched], bounds: Bounds) -> Fetched:
        try:
            fetched = fetch()
        except Missing:
            entry.fetched = None
            raise
        except Away:
            now = self._clock()
            known = entry.fetched
            if known is None or not entry.is_good(now):
                raise
            entry.fresh_until = min(now + bounds.again_s, entry.good_until)
            return known
        now = self._clock()
        if fetched.lease_s is None:
            entry.fresh_until = now + bounds.fresh_s
            entry.good_until = entry.fresh_until + bounds.stale_s
        else:
            entry.fresh_until = now + fetched.lease_s * RENEWED_AT
            entry.good_until = now + fetched.lease_s
        entry.fetched = fetched
        return fetched
