"""Who may answer a request to people, and what their answers come to; values only, it knows no user and no clock.

Everybody who is asked has one right. A delegation moves all rights that its giver holds to its taker, so that no right
is ever used twice; one person counts once, however many rights came together.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class RequestKind(StrEnum):
    """What people are asked for: a decision, or some work."""

    APPROVAL = "approval"
    TASK = "task"


class RequestState(StrEnum):
    """What has become of a request. WITHDRAWN: its run ended, or its step began anew, without an answer."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    COMPLETED = "completed"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class Choice(StrEnum):
    """What one person answers."""

    APPROVE = "approve"
    REJECT = "reject"
    COMPLETE = "complete"


class OnExpiry(StrEnum):
    """What a request comes to that nobody has answered in time."""

    REJECT = "reject"
    APPROVE = "approve"
    FAIL = "fail"


class Vote(NamedTuple):
    """The answer of one person."""

    person: str
    choice: Choice
    at: datetime


class Delegation(NamedTuple):
    """Somebody hands all the rights he holds to somebody else."""

    giver: str
    taker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How many approvals, or rejections, decide; votes at `expires_at` or later come too late."""

    approvers: int = 1
    rejections: int = 1
    expires_at: datetime | None = None


def decide(rule: Rule, *, votes: Collection[Vote], now: datetime) -> RequestState:
    """This will say what votes come to, in whatever order they are given.

    Where both numbers are reached, it is rejected. What was decided before the expiry stays decided.
    """
    counted: dict[str, Choice] = {}
    for vote in sorted(votes, key=lambda vote: (vote.at, vote.choice)):
        if not is_over(rule, at=vote.at):
            counted.setdefault(vote.person, vote.choice)
    choices = list(counted.values())
    if Choice.COMPLETE in choices:
        return RequestState.COMPLETED
    if choices.count(Choice.REJECT) >= rule.rejections:
        return RequestState.REJECTED
    if choices.count(Choice.APPROVE) >= rule.approvers:
        return RequestState.APPROVED
    return RequestState.EXPIRED if is_over(rule, at=now) else RequestState.OPEN


def is_over(rule: Rule, *, at: datetime) -> bool:
    """This will tell whether an answer at that instant comes too late: the instant of the expiry itself is."""
    return rule.expires_at is not None and at >= rule.expires_at


def entitled(asked: Collection[str], *, delegations: Sequence[Delegation] = (), excluded: str = "") -> frozenset[str]:
    """This will give who may answer: whoever holds a right after the delegations, in their order, but `excluded`.

    >>> sorted(entitled(["ada", "bob"], delegations=[Delegation("ada", "eve")]))
    ['bob', 'eve']
    """
    holders = {person: person for person in asked if person != excluded}
    for giver, taker in delegations:
        for person, holder in holders.items():
            if holder == giver:
                holders[person] = taker
    return frozenset(holders.values()) - {excluded}
