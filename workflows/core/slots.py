"""How many slots a limit has after its capacity was changed; pure, it never takes or frees one."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlotState:
    """One slot as it is: its number, whether somebody has it, and whether it goes when it becomes free."""

    number: int
    is_held: bool
    is_retiring: bool = False


@dataclass(frozen=True, slots=True)
class Fit:
    """What makes slots fit a capacity: numbers to add, to take away now, to retire when free, and to keep after all."""

    add: tuple[int, ...]
    remove: tuple[int, ...]
    retire: tuple[int, ...]
    keep: tuple[int, ...]


def fit(slots: Sequence[SlotState], *, capacity: int) -> Fit:
    """This will say how the slots of a limit follow its capacity; what is held is never taken away.

    Held slots stay first, so that a limit that was lowered hands out none before enough have ended.

    >>> fit([SlotState(1, True), SlotState(2, True), SlotState(3, False)], capacity=1)
    Fit(add=(), remove=(3,), retire=(2,), keep=())
    >>> fit([SlotState(1, True), SlotState(2, True, True)], capacity=3)
    Fit(add=(3,), remove=(), retire=(), keep=(2,))
    """
    ranked = sorted(slots, key=lambda slot: (not slot.is_held, slot.is_retiring, slot.number))
    staying, surplus = ranked[:capacity], ranked[capacity:]
    taken = {slot.number for slot in slots}
    unused = (number for number in range(1, capacity + len(slots) + 1) if number not in taken)
    return Fit(
        add=tuple(number for number, _ in zip(unused, range(capacity - len(staying)), strict=False)),
        remove=tuple(sorted(slot.number for slot in surplus if not slot.is_held)),
        retire=tuple(sorted(slot.number for slot in surplus if slot.is_held and not slot.is_retiring)),
        keep=tuple(sorted(slot.number for slot in staying if slot.is_retiring)),
    )
