"""The statements of pauses as typed functions: set work aside, give it back; it decides nothing."""

from collections.abc import Sequence
from typing import TypedDict

from workflows import statements
from workflows.core.pausing import PauseRule, PauseScope
from workflows.pause_models import Pause, PauseEpoch
from workflows.store import dump


class AsideRow(TypedDict):
    """A lease whose next step may not begin, because of the pause `object`."""

    id: int
    epoch: int
    object: str


def in_force() -> Sequence[PauseRule]:
    """This will give the pauses that are in force, the earliest first."""
    return [rule_of(pause) for pause in Pause.objects.order_by("id")]


def rule_of(pause: Pause) -> PauseRule:
    """This will give a stored pause as a rule."""
    return PauseRule(
        scope=PauseScope(pause.scope),
        name=pause.name,
        reason=pause.reason,
        paused_by=pause.paused_by,
        paused_at=pause.paused_at,
        starts_only=pause.starts_only,
        holds_deadlines=pause.holds_deadlines,
    )


def epoch() -> int:
    """This will give how often pauses have changed."""
    return PauseEpoch.objects.values_list("number", flat=True).get(id=1)


def set_aside(*, rows: Sequence[AsideRow]) -> int:
    """This will give leases back for as long as a pause lasts, at no cost; gives how many were still ours."""
    ordered = sorted(rows, key=lambda row: row["id"])
    return int(statements.run("set_aside", {"holds": dump(ordered)})[0][0])


def give_back(*, kept: Sequence[str], limit: int) -> int:
    """This will make work due that waits for no pause in force; `kept` are the keys of those. Gives how much."""
    return int(statements.run("give_back", {"kept": list(kept), "limit": limit})[0][0])


def has_older_work(*, since: str) -> bool:
    """This will tell whether a transaction is open that began before an instant of the database's clock."""
    return bool(statements.run("older_work", {"since": since})[0][0])


def clock() -> str:
    """This will give the database's clock, now."""
    return str(statements.run("clock", {})[0][0])
