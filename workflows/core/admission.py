"""Who gets a free slot, and what becomes of a start that finds none; it knows no table and no clock."""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from workflows.core.flow_control import Overflow

Gate = TypeVar("Gate")
Holder = TypeVar("Holder")


class Verdict(StrEnum):
    """What a start may do: take its slots, wait for them, or not begin at all."""

    ADMIT = "admit"
    WAIT = "wait"
    REJECT = "reject"
    CANCEL = "cancel"
    SKIP = "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(Generic[Gate, Holder]):
    """One gate as a start finds it: its slots with their holders (by number), and what its rule says when full."""

    gate: Gate
    slots: int
    held: Mapping[int, Holder]
    overflow: Overflow

    @property
    def room(self) -> int:
        """This will give how many slots are free; less than none after the limit was lowered."""
        return self.slots - len(self.held)


@dataclass(frozen=True, slots=True)
class Judgement(Generic[Gate]):
    """The verdict, the gate it is due to, and the gates that are only passed if somebody there is cancelled."""

    verdict: Verdict
    cause: Gate | None = None
    to_clear: tuple[Gate, ...] = ()


_HARDEST: Sequence[tuple[Overflow, Verdict]] = (
    (Overflow.REJECT, Verdict.REJECT),
    (Overflow.SKIP, Verdict.SKIP),
    (Overflow.CANCEL_NEWEST, Verdict.CANCEL),
    (Overflow.QUEUE, Verdict.WAIT),
)


def judge(queues: Sequence[Queue[Gate, Holder]]) -> Judgement[Gate]:
    """This will decide about a start that needs a slot at every one of these gates.

    A full gate that refuses counts before one that queues; holders are cancelled only when nothing else is in the way.
    """
    full = [queue for queue in queues if queue.room <= 0]
    for overflow, verdict in _HARDEST:
        cause = next((queue.gate for queue in full if queue.overflow is overflow), None)
        if cause is not None:
            return Judgement(verdict, cause)
    return Judgement(Verdict.ADMIT, to_clear=tuple(queue.gate for queue in full))


def free_number(taken: Set[int]) -> int:
    """This will give the smallest slot number that is free, counted from 1.

    >>> free_number({1, 2, 4})
    3
    """
    return next(number for number in range(1, len(taken) + 2) if number not in taken)


def next_in_line(waiting: Sequence[tuple[Holder, Collection[Gate]]], *, room: Mapping[Gate, int]) -> Holder | None:
    """This will find who has waited longest of those that have room at every gate they wait at.

    `waiting` is in the order of arrival; a gate that `room` does not name is full.
    """
    return next((who for who, gates in waiting if all(room.get(gate, 0) > 0 for gate in gates)), None)
