"""The states of runs, steps, items and activations, and the one table of transitions; it never does I/O."""

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class RunState(StrEnum):
    """What a run is; a run that is not ended always has at least one activation."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_ended(self) -> bool:
        """This will tell whether the run has come to its end (a requeue may begin a new round)."""
        return self is not RunState.RUNNING


class StepState(StrEnum):
    """How a step ended; a step that has not ended has no row: its activation says what it waits for."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    CANCELLED = "cancelled"

    @property
    def counts_as_failed(self) -> bool:
        """This will tell whether a join counts the step among the failed ones."""
        return self in (StepState.FAILED, StepState.UPSTREAM_FAILED, StepState.CANCELLED)


class Phase(StrEnum):
    """To which part of a run a step belongs. UNDO and FINALLY come when the run is ending, in this order."""

    MAIN = "main"
    UNDO = "undo"
    FINALLY = "finally"


class UndoWhen(StrEnum):
    """Which ends of a step call for its undo. ATTEMPTED: also one that may have happened, as far as is known."""

    COMPLETED = "completed"
    ATTEMPTED = "attempted"


class Notice(IntEnum):
    """What was said to a worker about the step it is at.

    LAST: nothing comes after it, and it is not tried again. STOP: like LAST, and it should stop as soon as it can.
    """

    NONE = 0
    LAST = 1
    STOP = 2


class ItemState(StrEnum):
    """What an item of a `for_each` is."""

    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ActivationState(StrEnum):
    """What an activation (a segment whose needs have ended) is doing.

    READY: waits for a worker of its lane; LEASED: a worker has it until `due_at`; WAITING: nothing may
    claim it before `due_at`.
    """

    READY = "ready"
    LEASED = "leased"
    WAITING = "waiting"


class WaitReason(StrEnum):
    """Why a run that has not ended is not further on; stored on its activations, shown everywhere."""

    WORKER = "worker"
    RUNNING = "running"
    RETRY = "retry"
    ITEMS = "items"
    REPEAT = "repeat"
    LIMIT = "limit"
    RATE = "rate"
    BREAKER = "breaker"
    SETTLING = "settling"
    PAUSED = "paused"
    DELAYED = "delayed"
    TIMER = "timer"
    CHILD_RUN = "child_run"
    CHILD_START = "child_start"
    EVENT = "event"
    APPROVAL = "approval"
    TASK = "task"
    CONCURRENCY = "concurrency"
    THROTTLE = "throttle"
    DEBOUNCE = "debounce"
    BATCH = "batch"
    DELAYED_ENTRY = "delayed_entry"
    """Like DELAYED, but the run asks its gates then."""

    @property
    def is_gate(self) -> bool:
        """This will tell whether the run has not been let in yet: no worker may have it."""
        return self in _GATES


_GATES = frozenset(
    {
        WaitReason.CONCURRENCY,
        WaitReason.THROTTLE,
        WaitReason.DEBOUNCE,
        WaitReason.BATCH,
        WaitReason.DELAYED_ENTRY,
    }
)


class FailureKind(StrEnum):
    """What is known about an attempt that did not succeed.

    REFUSED is never retried; THROTTLED brings its own delay; UNKNOWN and LOST may have had their effect:
    the next attempt uses the same idempotency key.
    """

    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"
    TIMEOUT = "timeout"
    ERROR = "error"
    LOST = "lost"


class JoinRule(StrEnum):
    """When a step may start, judged on the final states of its needs (`when` in a definition)."""

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ALL_SKIPPED = "all_skipped"
    ONE_FAILED = "one_failed"
    ONE_SUCCESS = "one_success"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    NONE_SKIPPED = "none_skipped"


class DeadLetterState(StrEnum):
    """What has become of a step that ran out of attempts."""

    OPEN = "open"
    REQUEUED = "requeued"
    DISCARDED = "discarded"


class TrialState(StrEnum):
    """What has come of a dead letter that was requeued; the work it stands for is what decides."""

    NONE = ""
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GIVEN_UP = "given_up"


class IncidentState(StrEnum):
    """What has become of equal failures. RESOLVED is never said, only found: their work has succeeded."""

    OPEN = "open"
    RESOLVING = "resolving"
    RESOLVED = "resolved"
    DISCARDED = "discarded"

    @property
    def is_over(self) -> bool:
        """This will tell whether nothing is left to do, until it happens again."""
        return self in (IncidentState.RESOLVED, IncidentState.DISCARDED)


class PoisonState(StrEnum):
    """What has become of a message no worker could take: RECOVERED: the work it named has gone on without it."""

    OPEN = "open"
    RECOVERED = "recovered"
    DISCARDED = "discarded"


RUN_TRANSITIONS: Mapping[RunState, frozenset[RunState]] = {
    RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}),
    RunState.FAILED: frozenset({RunState.RUNNING}),  # requeue of its dead letters
    RunState.SUCCEEDED: frozenset({RunState.RUNNING}),  # undone on demand
    RunState.CANCELLED: frozenset({RunState.RUNNING}),  # undone on demand
}
"""Every change of state a run may make; anything else is a defect and is refused."""

ACTIVATION_TRANSITIONS: Mapping[ActivationState, frozenset[ActivationState]] = {
    ActivationState.READY: frozenset({ActivationState.LEASED}),
    ActivationState.LEASED: frozenset({ActivationState.READY, ActivationState.WAITING, ActivationState.LEASED}),
    ActivationState.WAITING: frozenset({ActivationState.READY, ActivationState.LEASED}),
}
"""Every change of state an activation may make before it is deleted by the end of its segment."""

INCIDENT_TRANSITIONS: Mapping[IncidentState, frozenset[IncidentState]] = {
    IncidentState.OPEN: frozenset({IncidentState.RESOLVING, IncidentState.RESOLVED, IncidentState.DISCARDED}),
    IncidentState.RESOLVING: frozenset({IncidentState.OPEN, IncidentState.RESOLVED, IncidentState.DISCARDED}),
    IncidentState.RESOLVED: frozenset({IncidentState.OPEN, IncidentState.RESOLVING}),  # it happened again
    IncidentState.DISCARDED: frozenset({IncidentState.OPEN, IncidentState.RESOLVING}),  # it happened again
}
"""Every change of state an incident may make. Nobody may close one whose failures are open or still on trial."""
