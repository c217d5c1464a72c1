"""Says that a comparison is alive: that its process lives, by its lease; that it gets on, by the rows it has read.

The lease is kept by a thread, so that no statement, call or wait is too long for it. That rows are read is said by
whoever reads them, so that a comparison that hangs is silent.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import DatabaseError, connections

from reconciliation.errors import ComparisonLost

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def _nothing() -> None:
    """Keeps no lease."""


class Pulse:
    """The signs of life of one comparison.

    `renew` keeps the lease, every `renewed_every_s` seconds in a thread; it may raise ComparisonLost. `alive` is told
    the number of rows read so far, every `told_every_s` seconds at most.
    """

    def __init__(
        self,
        *,
        renew: Callable[[], None] = _nothing,
        alive: Callable[[int], None] = lambda _rows: None,
        renewed_every_s: float = 15.0,
        told_every_s: float = 5.0,
    ) -> None:
        self.rows = 0
        self.has_read = False
        self._renew = renew
        self._alive = alive
        self._renewed_every_s = renewed_every_s
        self._told_every_s = told_every_s
        self._tell_at = time.monotonic() + told_every_s
        self._is_over = threading.Event()
        self._lost: ComparisonLost | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """This will keep the lease while the block runs."""
        keeper = threading.Thread(target=self._keep, name="comparison-lease", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            self._is_over.set()
            keeper.join()

    def beat(self, rows: int = 0) -> None:
        """This will say that the comparison gets on, by so many rows. Raises ComparisonLost when it was taken over."""
        self.rows += rows
        now = time.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + self._told_every_s
            self._alive(self.rows)
        if self._lost is not None:
            raise self._lost

    def wait(self, seconds: float) -> None:
        """This will wait where there is no room yet, which is no silence. Raises ComparisonLost."""
        until = time.monotonic() + seconds
        while (left_s := until - time.monotonic()) > 0:
            time.sleep(min(left_s, self._told_every_s))
            self.beat()

    def _keep(self) -> None:
        try:
            while not self._is_over.wait(self._renewed_every_s):
                try:
                    self._renew()
                except DatabaseError:  # the lease outlives a short absence, and its loss is noticed at the end
                    _log.warning("comparison_lease_not_renewed", exc_info=True)
        except ComparisonLost as error:
            self._lost = error
        finally:
            connections.close_all()
