"""The statements of limits as typed functions: take slots, wake the line; it decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from workflows import statements
from workflows.store import ActivationRef, Claim, HoldRow


@dataclass(frozen=True, slots=True)
class SlotLeak:
    """A slot of a limit in the hands of an activation that is gone or not at work."""

    limit: str
    number: int
    holder: int


class Succession(NamedTuple):
    """Who has been called out of the line of a limit and leased at once, with a slot of that limit."""

    claim: Claim
    limit: str


def take_slots(*, hold: HoldRow, limits: Sequence[str]) -> Sequence[str]:
    """This will take a slot of each limit, all or none, and give the limits that had no room: none, when all is taken.

    What an activation has already it keeps. A limit that does not exist has no room.
    """
    rows = statements.run("take_slots", {**hold, "limits": list(limits)})
    return [name for name, _exists, is_had in rows if not is_had]


def wake_line(*, limits: Sequence[str]) -> Sequence[ActivationRef]:
    """This will make those due who are first in line for free slots, at most a thousand of each limit."""
    return [ActivationRef(*row) for row in statements.run("wake_line", {"limits": list(limits)})]


def hand_on(*, limits: Sequence[str], lane: str, owner: str, lease_s: float) -> Succession | None:
    """This will call who is first in line for a free slot of each limit, and tell the dispatchers of whom it made due.

    The first one on `lane` is leased to `owner`, with the slot; None where there is none. No lane: nobody is leased.
    """
    params = {"limits": list(limits), "lane": lane, "owner": owner, "lease_s": lease_s}
    ((limit, *columns),) = statements.run("hand_on", params)
    return None if limit is None else Succession(Claim(*columns), limit)


def slots_leaked() -> Sequence[SlotLeak]:
    """This will give the slots whose holder is not at work; the law is that there is none."""
    return [SlotLeak(*row) for row in statements.run("slots_leaked", {})]


def limit_names() -> Sequence[str]:
    """This will name the limits that exist, in their order."""
    return [row[0] for row in statements.run("limit_names", {})]
