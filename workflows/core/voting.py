"""Who may answer a request to people, and what their answers come to; values only, it knows no user and no clock.

Everybody who is asked has one right. A delegation moves all rights that its giver holds to its taker, so that no right
is ever used twice; one person counts once, however many rights came together.
"""

from collections.abc import Collection, Mapping, Sequence
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


CHOICES: Mapping[RequestKind, Sequence[Choice]] = {
    RequestKind.APPROVAL: (Choice.APPROVE, Choice.REJECT),
    RequestKind.TASK: (Choice.COMPLETE,),
}
"""What can be answered to each kind of request."""


class OnExpiry(StrEnum):
    """What a request comes to that nobody has answered in time."""

    REJECT = "reject"
    APPROVE = "approve"
    FAIL = "fail"
    CONTINUE = "continue"


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


def entitled(
    asked: Collection[str], *, delegations: Sequence[Delegation] = (), excluded: Collection[str] = ()
) -> frozenset[str]:
    """This will give who may answer: whoever holds a right after the delegations, in their order, but nobody excluded.

    >>> sorted(entitled(["ada", "bob"], delegations=[Delegation("ada", "eve")]))
    ['bob', 'eve']
    """
    return frozenset(rights(asked, delegations=delegations, excluded=excluded).values())


def rights(
    asked: Collection[str], *, delegations: Sequence[Delegation] = (), excluded: Collection[str] = ()
) -> Mapping[str, str]:
    """This will give who holds the right of each person who is asked; what came to somebody excluded is gone.

    >>> rights(["ada", "bob"], delegations=[Delegation("ada", "eve"), Delegation("eve", "bob")])
    {'ada': 'bob', 'bob': 'bob'}
    """
    holders = {person: person for person in asked if person not in excluded}
    for giver, taker in delegations:
        for person, holder in holders.items():
            if holder == giver:
                holders[person] = taker
    return {person: holder for person, holder in holders.items() if holder not in excluded}


def delegation_hindrance(
    wanted: Delegation, *, holders: Collection[str], voted: Collection[str], excluded: Collection[str], needed: int
) -> str:
    """This will say why somebody who is among the holders cannot delegate like that; empty: he can.

    `voted` have answered; `needed` are the different people whose approval it takes.

    >>> delegation_hindrance(Delegation("ada", "bob"), holders=["ada", "bob"], voted=[], excluded=[], needed=2)
    'then 1 could answer, and it takes 2 different people'
    """
    giver, taker = wanted
    if giver == taker:
        return "nobody hands his say to himself"
    if giver in voted:
        return "who has answered has no say left to hand on"
    if taker in voted:
        return "that person has answered already, and nobody answers twice"
    if taker in excluded:
        return "who started the run may not decide, for others neither"
    left = {*holders, *voted, taker} - {giver}
    if taker in holders and len(left) < needed:
        return f"then {len(left)} could answer, and it takes {needed} different people"
    return ""
