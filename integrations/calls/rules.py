"""What is known of a call, and what may be done next without a second effect outside; pure.

The one question is whether the call has happened. As long as that is not known, only the same request with a key that
the peer recognises may be sent, or the peer is asked. What certainly did not happen may be sent freely.
"""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a call came to. SETTLED: it was unknown, and somebody or something has found out."""

    SENDING = "sending"
    SUCCEEDED = "succeeded"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    THROTTLED = "throttled"
    UNKNOWN = "unknown"
    SETTLED = "settled"


class Settlement(StrEnum):
    """What has settled an unknown call: the adapter's look-up, the same key sent again, or a person."""

    LOOK_UP = "look_up"
    KEY = "key"
    HAND = "hand"


class Next(StrEnum):
    """What may follow.

    SEND a request, ANSWER with the known output, LOOK_UP what has happened, WAIT until no earlier attempt can be under
    way. GIVE_UP: nobody may send it before it is settled. CHANGED: the request is another one than the peer may
    have seen. LOST: it has happened, but its output is not known.
    """

    SEND = "send"
    ANSWER = "answer"
    LOOK_UP = "look_up"
    WAIT = "wait"
    GIVE_UP = "give_up"
    CHANGED = "changed"
    LOST = "lost"


class Verdict(StrEnum):
    """What a look-up has found."""

    HAPPENED = "happened"
    DID_NOT_HAPPEN = "did_not_happen"
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger knows of a call. `happened` None: nobody knows yet."""

    happened: bool | None
    is_same_request: bool
    has_output: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What protects a second attempt.

    `is_safe`: the request changes nothing outside. `can_repeat`: the peer takes the same request for the same.
    `can_look_up`: the adapter can ask what has happened.
    """

    is_safe: bool
    can_repeat: bool
    can_look_up: bool

    @property
    def may_follow(self) -> bool:
        """This will tell whether another attempt may be begun when nobody knows what came of the last one."""
        return self.is_safe or self.can_repeat or self.can_look_up


def following(known: Known | None, *, ability: Ability) -> Next:
    """This will say what may be done about a call now, before anybody is asked.

    >>> ability = Ability(is_safe=False, can_repeat=False, can_look_up=False)
    >>> str(following(Known(happened=None, is_same_request=True, has_output=False), ability=ability))
    'give_up'
    """
    if known is None or known.happened is False or ability.is_safe:
        return Next.SEND
    if not known.is_same_request:
        return Next.CHANGED
    if known.happened:
        return Next.ANSWER if known.has_output else Next.SEND if ability.can_repeat else Next.LOST
    if ability.can_look_up:
        return Next.LOOK_UP
    return Next.SEND if ability.can_repeat else Next.GIVE_UP


def following_look_up(verdict: Verdict, *, ability: Ability, is_in_flight: bool) -> Next:
    """This will say what follows a look-up.

    `is_in_flight`: a worker that was taken for lost may still be sending; unless the peer recognises the second
    request, that has to be over first.
    """
    match verdict:
        case Verdict.HAPPENED:
            return Next.ANSWER
        case Verdict.DID_NOT_HAPPEN:
            return Next.WAIT if is_in_flight and not ability.can_repeat else Next.SEND
        case Verdict.CANNOT_TELL:
            return Next.SEND if ability.can_repeat else Next.GIVE_UP


@dataclass(frozen=True, slots=True)
class End:
    """What an attempt leaves in the ledger."""

    outcome: Outcome
    happened: bool | None
    settled_by: str = ""


def ended(outcome: Outcome, *, has_happened: bool, was_uncertain: bool) -> End:
    """This will say what a call is after an attempt; an earlier attempt of unknown outcome stays in doubt.

    `has_happened`: an attempt that failed had its effect all the same. `was_uncertain`: nobody knew, before this
    attempt, whether it had happened; a success under the same key has answered that.

    >>> ended(Outcome.UNAVAILABLE, has_happened=False, was_uncertain=True).outcome
    <Outcome.UNKNOWN: 'unknown'>
    """
    if outcome is Outcome.SUCCEEDED:
        if was_uncertain:
            return End(Outcome.SETTLED, happened=True, settled_by=Settlement.KEY)
        return End(outcome, happened=True)
    if has_happened:
        return End(outcome, happened=True)
    if was_uncertain or outcome is Outcome.UNKNOWN:
        return End(Outcome.UNKNOWN, happened=None)
    return End(outcome, happened=False)
