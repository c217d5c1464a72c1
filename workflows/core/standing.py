"""Where a step stands, seen from outside: how it ended, or what it does; values only."""

from collections.abc import Collection, Mapping
from enum import StrEnum

from workflows.core.states import StepState, WaitReason


class Standing(StrEnum):
    """What a step is: a StepState when it has ended, else what it does.

    READY waits for a worker, WAITING for something else, PENDING for its needs; NOT_REACHED: its run has ended
    without it.
    """

    RUNNING = "running"
    READY = "ready"
    RETRYING = "retrying"
    WAITING = "waiting"
    PENDING = "pending"
    NOT_REACHED = "not_reached"
    SUCCEEDED = StepState.SUCCEEDED.value
    FAILED = StepState.FAILED.value
    SKIPPED = StepState.SKIPPED.value
    UPSTREAM_FAILED = StepState.UPSTREAM_FAILED.value
    CANCELLED = StepState.CANCELLED.value


OBJECT_KINDS: Mapping[WaitReason, str] = {
    WaitReason.WORKER: "lane",
    WaitReason.RUNNING: "worker",
    WaitReason.RETRY: "attempt",
    WaitReason.ITEMS: "items",
    WaitReason.REPEAT: "round",
    WaitReason.DELAYED: "start",
    WaitReason.TIMER: "instant",
    WaitReason.CHILD_RUN: "run",
    WaitReason.CHILD_START: "workflow",
    WaitReason.EVENT: "event",
    WaitReason.APPROVAL: "approvers",
    WaitReason.TASK: "people",
    WaitReason.LIMIT: "limit",
    WaitReason.RATE: "connection",
    WaitReason.BREAKER: "connection",
    WaitReason.SETTLING: "call",
    WaitReason.PAUSED: "pause",
    WaitReason.CONCURRENCY: "key",
    WaitReason.THROTTLE: "key",
    WaitReason.DEBOUNCE: "key",
    WaitReason.BATCH: "key",
    WaitReason.DELAYED_ENTRY: "start",
}
"""What kind of thing the object of a wait is."""


def open_standing(*, reasons: Collection[WaitReason], is_run_open: bool) -> Standing:
    """This will say what a step does that has not ended, from the wait reasons of its activations.

    >>> open_standing(reasons=[WaitReason.ITEMS, WaitReason.RUNNING], is_run_open=True).value
    'running'
    >>> open_standing(reasons=[], is_run_open=False).value
    'not_reached'
    """
    if not reasons:
        return Standing.PENDING if is_run_open else Standing.NOT_REACHED
    if WaitReason.RUNNING in reasons:
        return Standing.RUNNING
    if WaitReason.RETRY in reasons:
        return Standing.RETRYING
    return Standing.READY if set(reasons) == {WaitReason.WORKER} else Standing.WAITING
