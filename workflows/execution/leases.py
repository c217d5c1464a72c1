"""Keeps the leases of a busy worker alive, and ends the worker when a step ignores its timeout.

A thread renews what has been held for a third of the lease. A step that is still running well after its time
limit cannot be trusted to end: the process is killed, its leases run out and the work counts as lost.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Sequence

import structlog
from django.conf import settings
from django.db import connection

from workflows import store
from workflows.store import Claim, HoldRow

log = structlog.get_logger(__name__)
_GRACE_S = 10.0


def owner_name() -> str:
    """This will name this process, so that a person finds it: host:pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


class LeaseKeeper:
    """The leases that this process holds now. One per process; safe to use from its main thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, tuple[HoldRow, float]] = {}
        self._kill_at: float | None = None
        self._thread: threading.Thread | None = None

    def hold(self, claims: Sequence[Claim], *, since: float) -> None:
        """This will keep the leases of `claims` alive until they are dropped.

        `since` is the monotonic time before they were asked for: the answer may have come late.
        """
        with self._lock:
            for claim in claims:
                self._held.setdefault(claim.id, ({"id": claim.id, "epoch": claim.epoch}, since))
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
            self._thread.start()

    def drop_all(self) -> None:
        """This will stop renewing: the rows have ended, or were given back."""
        with self._lock:
            self._held.clear()

    def is_held(self, claim: Claim) -> bool:
        """This will tell whether a lease is still ours, so that work under it may begin.

        The database is asked only when the lease may have run out unnoticed: in a process that was stopped, or that
        waited long for the database.
        """
        with self._lock:
            hold, since = self._held.get(claim.id, (None, 0.0))
        if hold is not None and hold["epoch"] == claim.epoch and time.monotonic() - since < settings.LEASE_S:
            return True
        now = time.monotonic()
        own: HoldRow = {"id": claim.id, "epoch": claim.epoch}
        if claim.id not in store.renew(holds=[own], lease_s=settings.LEASE_S):
            log.warning("lease_lost_unnoticed", run_id=str(claim.run_id), segment=claim.segment)
            return False
        with self._lock:
            self._held[claim.id] = (own, now)
        return True

    def expect_end_within(self, seconds: float | None) -> None:
        """This will have the process killed when the step that begins now is not over long after `seconds`."""
        self._kill_at = None if seconds is None else time.monotonic() + seconds + _GRACE_S

    def _keep(self) -> None:
        lease_s: float = settings.LEASE_S
        try:
            while True:
                time.sleep(min(1.0, lease_s / 6))
                self._enforce()
                self._renew(lease_s)
        finally:
            connection.close()

    def _enforce(self) -> None:
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            log.error("step_ignored_its_timeout", pid=os.getpid(), action="killing this worker process")
            os.kill(os.getpid(), signal.SIGKILL)

    def _renew(self, lease_s: float) -> None:
        now = time.monotonic()
        with self._lock:
            old = [hold for hold, since in self._held.values() if now - since > lease_s / 3]
        if not old:
            return
        try:
            kept = store.renew(holds=old, lease_s=lease_s)
        except Exception:  # the database is away: try again until it is back, the fence protects the rest
            log.warning("lease_renewal_failed", held=len(old), exc_info=True)
            connection.close()
            return
        with self._lock:
            for hold in old:
                if hold["id"] in kept and hold["id"] in self._held:
                    self._held[hold["id"]] = (hold, now)
                else:
                    self._held.pop(hold["id"], None)


keeper = LeaseKeeper()
