"""The clients' own record of what they were told and what they took back; the platform never sees it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tests.chaos.arrivals import Hook, Join, Times
from workflows.core.definition import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One run that a client wants: of which workload, with which input. `number` names it among all."""

    number: int
    workload: str
    value: JsonValue


@dataclass(slots=True)
class Book:
    """What clients know. Safe to use from several threads.

    `acknowledged` are the runs they were promised, `withdrawn` those whose transaction was rolled back, `cancelled`
    those whose cancellation was confirmed. `answers` are the confirmed ones of people, by request and name.
    `joins` are starts that may share their run with others, `hooks` the acknowledged webhooks, `timetable` says when
    the schedule of a workflow is due. `surprises` are answers that no client should ever get.
    """

    acknowledged: dict[UUID, Wanted] = field(default_factory=dict)
    withdrawn: list[UUID] = field(default_factory=list)
    cancelled: set[UUID] = field(default_factory=set)
    cancel_wanted: set[UUID] = field(default_factory=set)
    surprises: list[str] = field(default_factory=list)
    requests: int = 0
    repeats: int = 0
    unanswered: int = 0
    requeued: int = 0
    refused: int = 0
    joins: list[Join] = field(default_factory=list)
    hooks: list[Hook] = field(default_factory=list)
    timetable: dict[str, Times] = field(default_factory=dict)
    answers: dict[tuple[int, str], str] = field(default_factory=dict)
    _keys: dict[str, UUID] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def acknowledge(self, run_id: UUID, *, wanted: Wanted, key: str | None = None) -> None:
        """This will note a promise; a second promise for the same key must name the same run."""
        with self._lock:
            self.acknowledged[run_id] = wanted
            if key is not None:
                self._promise(run_id, key=key)

    def join(self, run_id: UUID, *, wanted: Wanted, key: str, sent_at: float, answered_at: float) -> None:
        """This will note the run that stands for a start, and maybe for others; once for each key."""
        with self._lock:
            if key not in self._keys:
                number, value = wanted.number, wanted.value
                self.joins.append(
                    Join(run_id=run_id, number=number, value=value, sent_at=sent_at, answered_at=answered_at)
                )
            self._promise(run_id, key=key)

    def receive(self, hook: Hook) -> None:
        """This will note an acknowledged webhook."""
        with self._lock:
            self.hooks.append(hook)

    def _promise(self, run_id: UUID, *, key: str) -> None:
        earlier = self._keys.setdefault(key, run_id)
        if earlier != run_id:
            self.surprises.append(f"key {key} started {earlier} and {run_id}")

    def surprise(self, what: str) -> None:
        """This will note an answer that no client should get."""
        with self._lock:
            self.surprises.append(what)

    def count(
        self, *, requests: int = 0, repeats: int = 0, unanswered: int = 0, requeued: int = 0, refused: int = 0
    ) -> None:
        """This will count what clients did."""
        with self._lock:
            self.requests += requests
            self.repeats += repeats
            self.unanswered += unanswered
            self.requeued += requeued
            self.refused += refused

    def withdraw(self, run_id: UUID) -> None:
        """This will note a run whose transaction was rolled back."""
        with self._lock:
            self.withdrawn.append(run_id)

    def want_cancelled(self, run_id: UUID) -> None:
        """This will note that a client is about to cancel a run, which may or may not be heard."""
        with self._lock:
            self.cancel_wanted.add(run_id)

    def cancel(self, run_id: UUID) -> None:
        """This will note a confirmed cancellation."""
        with self._lock:
            self.cancelled.add(run_id)

    def answered(self, request_id: int, *, person: str, decision: str) -> None:
        """This will note a confirmed answer."""
        with self._lock:
            self.answers[request_id, person] = decision

    def runs_of(self, workloads: Sequence[str]) -> Mapping[UUID, Wanted]:
        """This will give the promised runs of some workloads."""
        with self._lock:
            return {run_id: wanted for run_id, wanted in self.acknowledged.items() if wanted.workload in workloads}
