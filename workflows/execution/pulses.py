"""The heartbeats of the steps this process performs: kept in memory, written by the thread that keeps the leases.

A step that never beats, and need not, costs nothing. See docs/adr/0029-heartbeats.md.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import orjson
import structlog

from workflows import heartbeats
from workflows.core.context import HeartbeatInvalid
from workflows.core.definition import JsonValue
from workflows.core.storable import holds_nul
from workflows.heartbeats import Beat

log = structlog.get_logger(__name__)
MAX_BYTES = 8_192
SLACK_S = 2.0
"""A beat is written within a second, and a late one is noticed within another."""
_GRACE_S = 10.0


@dataclass(slots=True, eq=False, kw_only=True)
class Pulse:
    """The heartbeats of one attempt. `limit_s` is the longest time between two; None: it may be silent."""

    book: "PulseBook"
    run_id: UUID
    step: str
    index: int | None
    activation: int
    epoch: int
    attempt: int
    limit_s: float | None
    progress: JsonValue = None
    beaten_at: float = field(default_factory=time.monotonic)
    is_known: bool = False
    is_over: bool = False

    def give(self, progress: JsonValue) -> None:
        """This will note a sign of life. Raises HeartbeatInvalid."""
        copied = None if progress is None else _copied(progress)
        self.book.note(self, progress=copied)

    @property
    def is_hung(self) -> bool:
        """This will tell whether it has been silent for so long that its process cannot be trusted to end it."""
        return self.limit_s is not None and time.monotonic() - self.beaten_at > self.limit_s + SLACK_S + _GRACE_S

    def as_beat(self, *, is_over: bool = False) -> Beat:
        """This will be what is stored of it; nobody waits for another one when it is over."""
        return Beat(
            run_id=self.run_id,
            step=self.step,
            index=self.index,
            activation=self.activation,
            epoch=self.epoch,
            attempt=self.attempt,
            progress=self.progress,
            late_after_s=None if is_over or self.limit_s is None else self.limit_s + SLACK_S,
        )


class PulseBook:
    """The pulses of this process. Safe to use from all its threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._dirty: set[Pulse] = set()
        self._open: set[Pulse] = set()

    def note(self, pulse: Pulse, *, progress: JsonValue) -> None:
        """This will keep a sign of life until the next writing."""
        with self._lock:
            pulse.beaten_at = time.monotonic()
            pulse.is_known = True
            if progress is not None:
                pulse.progress = progress
            self._dirty.add(pulse)

    def begin(self, pulse: Pulse, *, may_kill: bool) -> None:
        """This will wait for the signs of life of an attempt that must give some."""
        if pulse.limit_s is not None:
            self.note(pulse, progress=None)
            if may_kill:
                with self._lock:
                    self._open.add(pulse)

    def end(self, pulse: Pulse) -> None:
        """This will write what an attempt that is over said last, and wait for no further sign of life of it."""
        with self._lock:
            self._dirty.discard(pulse)
            self._open.discard(pulse)
            pulse.is_over = True
        if not pulse.is_known:
            return
        with self._writing:
            try:
                heartbeats.store([pulse.as_beat(is_over=True)])
            except Exception:  # the attempt is over all the same; at worst its successor hears of less
                log.warning("heartbeat_not_written", run_id=str(pulse.run_id), step=pulse.step, exc_info=True)

    @contextmanager
    def performing(self, pulse: Pulse | None) -> Iterator[None]:
        """This will keep the pulse of an attempt that this thread performs."""
        if pulse is None:
            yield
            return
        self.begin(pulse, may_kill=True)
        try:
            yield
        finally:
            self.end(pulse)

    def write(self) -> None:
        """This will store what was said since the last time; of those that said nothing, nothing."""
        if not self._dirty:
            return
        with self._writing:
            with self._lock:
                dirty, self._dirty = self._dirty, set()
                beats = [pulse.as_beat() for pulse in dirty if not pulse.is_over]
            if not beats:
                return
            try:
                heartbeats.store(beats)
            except Exception:
                with self._lock:
                    self._dirty |= {pulse for pulse in dirty if not pulse.is_over}
                raise

    @property
    def has_hung(self) -> bool:
        """This will tell whether a step that this process performs alone is silent far too long."""
        with self._lock:
            return any(pulse.is_hung for pulse in self._open)


def _copied(progress: JsonValue) -> JsonValue:
    try:
        text = orjson.dumps(progress)
    except (TypeError, ValueError) as error:
        raise HeartbeatInvalid(f"the progress of a heartbeat is not JSON: {error}") from error
    if len(text) > MAX_BYTES:
        raise HeartbeatInvalid(f"the progress of a heartbeat is {len(text)} bytes: at most {MAX_BYTES} are kept")
    if holds_nul(text):
        raise HeartbeatInvalid("the progress of a heartbeat holds a NUL character, which cannot be stored")
    copied: JsonValue = orjson.loads(text)
    return copied


book = PulseBook()
