"""What a pause covers, decided from where a step stands; pure.

A pause stops work between steps: what is running ends, nothing further begins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PauseScope(StrEnum):
    """What somebody can pause, the narrowest first: the narrowest pause is the one that is shown."""

    RUN = "run"
    CONNECTION = "connection"
    WORKFLOW = "workflow"
    LANE = "lane"
    PLATFORM = "platform"

    @property
    def may_hold_deadlines(self) -> bool:
        """This will tell whether whole runs stand still under it, so that their deadlines may be moved."""
        return self in (PauseScope.RUN, PauseScope.WORKFLOW, PauseScope.PLATFORM)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseRule:
    """A pause in force. `starts_only`: runs that had begun before it go on. `name` is empty for the platform."""

    scope: PauseScope
    name: str
    reason: str
    paused_by: str
    paused_at: datetime
    starts_only: bool = False
    holds_deadlines: bool = False

    @property
    def key(self) -> str:
        """This will name it, as it is stored on what waits for its end."""
        return key_of(self.scope, name=self.name)

    @property
    def words(self) -> str:
        """This will say what is paused, why and by whom."""
        return f"{self.key}: {self.reason}, by {self.paused_by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """Where a step stands that could begin now; `connection` is None where it needs none."""

    run_id: str
    workflow: str
    lane: str
    connection: str | None
    created_at: datetime


def key_of(scope: PauseScope, *, name: str) -> str:
    """This will name a pause.

    >>> key_of(PauseScope.WORKFLOW, name="billing"), key_of(PauseScope.PLATFORM, name="")
    ('workflow billing', 'platform')
    """
    return f"{scope} {name}" if name else str(scope)


def covers(rule: PauseRule, *, at: Standpoint) -> bool:
    """This will tell whether a pause keeps a step from beginning."""
    if rule.starts_only and at.created_at < rule.paused_at:
        return False
    match rule.scope:
        case PauseScope.RUN:
            return rule.name == at.run_id
        case PauseScope.CONNECTION:
            return rule.name == at.connection
        case PauseScope.WORKFLOW:
            return rule.name == at.workflow
        case PauseScope.LANE:
            return rule.name == at.lane
        case PauseScope.PLATFORM:
            return True


def find_cover(rules: Iterable[PauseRule], *, at: Standpoint) -> PauseRule | None:
    """This will give the narrowest pause that covers a step, of equals the earliest, then the wider; None: go on."""
    order = list(PauseScope)
    found = [rule for rule in rules if covers(rule, at=at)]
    return min(
        found, key=lambda rule: (order.index(rule.scope), rule.paused_at, rule.name, rule.starts_only), default=None
    )
