"""The statements of limits as typed functions: take slots, wake the line; it decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from workflows import statements
from workflows.store import ActivationRef, HoldRow


@dataclass(frozen=True, slots=True)
class SlotLeak:
    """A slot of a limit in the hands of an activation that is gone or not at work."""

    limit: str
    number: int
    holder: int


class Called(NamedTuple):
    """Who has been called out of the line of a limit, and on which lane its step runs."""

    ref: ActivationRef
    lane: str
    limit: str


def take_slots(*, hold: HoldRow, limits: Sequence[str], called: str = "") -> Sequence[str]:
    """This will take a slot of each limit, all or none, and give the limits that had no room: none, when all is taken.

    What an activation has already it keeps. A limit that does not exist has no room. `called` is the limit whose line
    the activation has just been called out of.
    """
    rows = statements.run("take_slots", {**hold, "limits": list(limits), "called": called})
    return [name for name, _exists, is_had in rows if not is_had]


def wake_line(*, limits: Sequence[str], most: int = 1000) -> Sequence[Called]:
    """This will make those due who are first in line for free slots, at most `most` of each limit."""
    rows = statements.run("wake_line", {"limits": list(limits), "most": most})
    return [Called(ActivationRef(*ref), lane, limit) for *ref, lane, limit in rows]


def slots_leaked() -> Sequence[SlotLeak]:
    """This will give the slots whose holder is not at work; the law is that there is none."""
    return [SlotLeak(*row) for row in statements.run("slots_leaked", {})]


def limit_names() -> Sequence[str]:
    """This will name the limits that exist, in their order."""
    return [row[0] for row in statements.run("limit_names", {})]
