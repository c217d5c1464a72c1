"""What an alert rule is, when it matches, and what follows from that; pure.

A rule looks at signs of one kind. A sign names its object, such as a lane or an incident, and measures it. A rule and
an object that match are one alert, however often they are looked at: it begins once, is told again after `repeat_s`,
and is over when the sign has not been seen for a while.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

CALM = timedelta(seconds=30)
"""How long a sign must be away until its alert is over: what comes and goes is one alert."""


class RuleKind(StrEnum):
    """What a rule looks at; its object names one of them, or is empty for all."""

    INCIDENT = "incident"
    """Equal failures that are not over; the object is a workflow. `count`: failures at least."""
    LIMIT = "limit"
    """The line in front of a limit. `count`: steps in it at least; `over_s`: the oldest waits longer."""
    LANE = "lane"
    """What waits in a lane for a worker. `count` and `over_s` as for a limit."""
    WORKER = "worker"
    """A lane with waiting work, or the lane that is named, has no worker."""
    SCHEDULE = "schedule"
    """A due time passed and nobody recorded it."""
    HISTORY = "history"
    """A month has no partition."""
    VARIANCE = "variance"
    """Open variances that one comparison was the first to find; the object is a job. `count`: variances at least."""
    AUDIT = "audit"
    """The trail can be changed, or was."""
    FINDING = "finding"
    """The doctor has found something; the object is a code such as `receiver-late`. Errors and warnings count alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to look at and whom to tell. `tell` has lines such as `mail ops@example.com`."""

    name: str
    kind: RuleKind
    object: str = ""
    count: int = 1
    over_s: float = 0.0
    tell: Sequence[str] = ()
    repeat_s: float = 0.0
    tells_end: bool = True
    is_enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """Something that may be wrong: `scope` is what a rule's object is compared with, `page` where people look at it."""

    kind: RuleKind
    object: str
    words: str
    scope: str = ""
    count: int = 1
    age_s: float = 0.0
    page: str = "/admin/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An alert under way."""

    object: str
    seen_at: datetime
    told_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done for one rule: alerts that begin, that are told again, that are still there, that are over."""

    begin: Sequence[Sign] = ()
    repeat: Sequence[Sign] = ()
    keep: Sequence[Sign] = ()
    end: Sequence[str] = field(default_factory=tuple)


def matches(rule: Rule, sign: Sign) -> bool:
    """This will tell whether a sign is what the rule looks for. Of `count` and `over_s`, what is given must be met."""
    if not rule.is_enabled or rule.kind is not sign.kind:
        return False
    if rule.object and rule.object not in (sign.object, sign.scope):
        return False
    return sign.count >= rule.count and sign.age_s >= rule.over_s


def decide(rule: Rule, *, signs: Collection[Sign] | None, firing: Collection[Firing], now: datetime) -> Decision:
    """This will say what follows for one rule from what is seen now. `signs` None: nobody could look, so nothing."""
    if signs is None:
        return Decision()
    seen = {sign.object: sign for sign in signs if matches(rule, sign)}
    known: Mapping[str, Firing] = {one.object: one for one in firing}
    there = [sign for name, sign in seen.items() if name in known]
    again = [sign for sign in there if _is_due_again(rule, known[sign.object], now=now)]
    return Decision(
        begin=[sign for name, sign in seen.items() if name not in known],
        repeat=again,
        keep=[sign for sign in there if sign not in again],
        end=[name for name, one in known.items() if name not in seen and now - one.seen_at >= CALM],
    )


def _is_due_again(rule: Rule, firing: Firing, *, now: datetime) -> bool:
    return rule.repeat_s > 0 and (now - firing.told_at).total_seconds() >= rule.repeat_s
