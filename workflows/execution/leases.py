"""Keeps the leases of a busy worker alive, and ends the worker when a step ignores its timeout.

A thread renews what has been held for a third of the lease. A step that is still running well after its time
limit cannot be trusted to end: the process is killed, its leases run out and the work counts as lost.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from workflows import statements, store
from workflows.core.states import Notice
from workflows.execution import heartbeat, pulses
from workflows.models import Activation
from workflows.store import Claim, HoldRow

log = structlog.get_logger(__name__)
_GRACE_S = 10.0
_REMEMBERED = 1_000


def owner_name() -> str:
    """This will name this process, so that a person finds it: host:pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


def expire(holds: Sequence[HoldRow]) -> None:
    """This will make leases of this process run out now: their attempts count as lost and are due at once."""
    ours = Activation.objects.filter(id__in=[hold["id"] for hold in holds], owner=owner_name())
    with transaction.atomic():
        ours.update(due_at=Now())
        statements.run("notify", {})


class LeaseKeeper:
    """The leases that this process holds now. One per process; safe to use from all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, tuple[HoldRow, float]] = {}
        self._kill_at: float | None = None
        self._thread: threading.Thread | None = None
        self._on_loss: Callable[[Sequence[HoldRow]], None] | None = None
        self._on_stop: Callable[[Sequence[HoldRow]], None] | None = None
        self._heard: set[tuple[int, int]] = set()
        self._seen: set[tuple[int, int]] = set()
        self._lost: set[tuple[int, int]] = set()

    def tell_stops(self, on_stop: Callable[[Sequence[HoldRow]], None] | None) -> None:
        """This will have it told, in the keeper's thread, that steps should stop: their run is being cancelled."""
        self._on_stop = on_stop

    def should_stop(self, claim: Claim) -> bool:
        """This will tell, without a look at the database, whether a step should stop: it was told to, or is lost."""
        with self._lock:
            return (claim.id, claim.epoch) in self._heard | self._lost

    def tell_losses(self, on_loss: Callable[[Sequence[HoldRow]], None] | None) -> None:
        """This will have losses told, in the keeper's thread: the run was ended, or somebody else has the lease."""
        self._on_loss = on_loss

    def hold(self, claims: Sequence[Claim], *, since: float) -> None:
        """This will keep the leases of `claims` alive until they are dropped.

        `since` is the monotonic time before they were asked for: the answer may have come late.
        """
        with self._lock:
            for claim in claims:
                if not self._is_held(claim.id, epoch=claim.epoch):
                    self._held[claim.id] = ({"id": claim.id, "epoch": claim.epoch}, since)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)
                self._thread.start()

    def drop(self, holds: Sequence[HoldRow]) -> None:
        """This will stop renewing these; an activation that was leased anew meanwhile is kept."""
        with self._lock:
            for hold in holds:
                if self._is_held(hold["id"], epoch=hold["epoch"]):
                    del self._held[hold["id"]]

    def drop_all(self) -> None:
        """This will stop renewing: the rows have ended, or were given back."""
        with self._lock:
            self._held.clear()

    def is_held(self, claim: Claim) -> bool:
        """This will tell whether a lease is still ours, so that work under it may begin.

        The database is asked only when the lease may have run out unnoticed: in a process that was stopped, or that
        waited long for the database.
        """
        if self.is_surely_held(claim):
            return True
        now = time.monotonic()
        own: HoldRow = {"id": claim.id, "epoch": claim.epoch}
        if claim.id not in store.renew(holds=[own], lease_s=settings.LEASE_S):
            log.warning("lease_lost_unnoticed", run_id=str(claim.run_id), segment=claim.segment)
            return False
        with self._lock:
            held = self._held.get(claim.id)
            if held is None or held[0]["epoch"] <= claim.epoch:
                self._held[claim.id] = (own, now)
        return True

    def is_surely_held(self, claim: Claim) -> bool:
        """This will tell, without a look at the database, whether a lease cannot have run out."""
        with self._lock:
            hold, since = self._held.get(claim.id, (None, 0.0))
        return hold is not None and hold["epoch"] == claim.epoch and time.monotonic() - since < settings.LEASE_S

    def expect_end_within(self, seconds: float | None) -> None:
        """This will have the process killed when the step that begins now is not over long after `seconds`."""
        self._kill_at = None if seconds is None else time.monotonic() + seconds + _GRACE_S

    def _keep(self) -> None:
        lease_s: float = settings.LEASE_S
        try:
            while True:
                time.sleep(min(1.0, lease_s / 6))
                heartbeat.beat()
                self._enforce()
                self._renew(lease_s)
                self._listen()
                self._beat()
        finally:
            connection.close()

    def _enforce(self) -> None:
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            log.error("step_ignored_its_timeout", pid=os.getpid(), action="killing this worker process")
            os.kill(os.getpid(), signal.SIGKILL)
        if pulses.book.has_hung:
            log.error("step_is_silent", pid=os.getpid(), action="killing this worker process")
            os.kill(os.getpid(), signal.SIGKILL)

    def _beat(self) -> None:
        try:
            pulses.book.write()
        except Exception:  # the database is away: what was said is written when it is back
            log.warning("heartbeats_not_written", exc_info=True)
            connection.close()

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
            ours = [hold for hold in old if self._is_held(hold["id"], epoch=hold["epoch"])]
            lost = [hold for hold in ours if hold["id"] not in kept]
            for hold in ours:
                self._held[hold["id"]] = (hold, now)
            for hold in lost:
                del self._held[hold["id"]]
            self._lost = {*list(self._lost)[-_REMEMBERED:], *((hold["id"], hold["epoch"]) for hold in lost)}
        if lost and self._on_loss is not None:
            self._on_loss(lost)

    def _listen(self) -> None:
        """Ask whether what is in hand since the beat before is to be stopped; what is quicker is not asked for."""
        with self._lock:
            held = {(hold["id"], hold["epoch"]) for hold, _ in self._held.values()}
        old, self._seen = held & self._seen, held
        if not old:
            self._heard = set()
            return
        try:
            told = Activation.objects.filter(id__in=[one for one, _ in old], notice=Notice.STOP)
            heard = old & set(told.values_list("id", "epoch"))
        except Exception:  # the database is away: there is time until the grace is over
            log.warning("notices_not_read", held=len(old), exc_info=True)
            connection.close()
            return
        new, self._heard = heard - self._heard, heard
        if new and self._on_stop is not None:
            self._on_stop([{"id": one, "epoch": epoch} for one, epoch in new])

    def _is_held(self, activation_id: int, *, epoch: int) -> bool:
        held = self._held.get(activation_id)
        return held is not None and held[0]["epoch"] == epoch


keeper = LeaseKeeper()
