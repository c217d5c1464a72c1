"""The statements of limits as typed functions: take slots, wake the line; it decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from workflows import statements
from workflows.store import ActivationRef, HoldRow


@dataclass(frozen=True, slots=True)
class SlotLeak:
    """A slot of a limit in the hands of an activation that is gone or not at work."""

    limit: str
    number: int
    holder: int


def take_slots(*, hold: HoldRow, limits: Sequence[str]) -> Sequence[str]:
    """This will take a slot of each limit, all or none, and give the limits that had no room: none, when all is taken.

    What an activation has already it keeps. A limit that does not exist has no room.
    """
    rows = statements.run("take_slots", {**hold, "limits": list(limits)})
    return [name for name, _exists, is_had in rows if not is_had]


def wake_line(*, limits: Sequence[str], most: int = 1000) -> Sequence[tuple[ActivationRef, str]]:
    """This will make those due who are first in line for free slots, at most `most` of each limit; with their lanes."""
    rows = statements.run("wake_line", {"limits": list(limits), "most": most})
    return [(ActivationRef(*ref), lane) for *ref, lane in rows]


def slots_leaked() -> Sequence[SlotLeak]:
    """This will give the slots whose holder is not at work; the law is that there is none."""
    return [SlotLeak(*row) for row in statements.run("slots_leaked", {})]


def limit_names() -> Sequence[str]:
    """This will name the limits that exist, in their order."""
    return [row[0] for row in statements.run("limit_names", {})]
