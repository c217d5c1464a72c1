"""The step `wait`: how long it waits and what it gives; it sleeps nowhere."""

from datetime import UTC, datetime, timedelta

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.outcome import Failed, Parked
from workflows.core.states import FailureKind, WaitReason
from workflows.core.waiting_kinds import Stay

MAX_AHEAD = timedelta(days=3660)
"""How far an instant may be away: a later one is a typing error more often than a plan."""


class WaitInvalid(ValueError):
    """A wait that no clock can end; the message says what would be right."""


def wait(stay: Stay) -> JsonObject | Failed | Parked:
    """This will give the end of a wait when its time has come, and park it until then."""
    try:
        until = wait_until(stay.inputs, begun_at=stay.begun_at)
    except WaitInvalid as error:
        return Failed(kind=FailureKind.REFUSED, message=str(error), payload=stay.inputs)
    if until > stay.now:
        return Parked(reason=WaitReason.TIMER, object=until.isoformat(), until=until)
    waited_s = max((stay.now - stay.begun_at).total_seconds(), 0.0)
    return {"waited_s": round(waited_s, 3), "until": until.isoformat()}


def wait_until(inputs: JsonObject, *, begun_at: datetime) -> datetime:
    """This will give the instant a wait ends, in UTC. Raises WaitInvalid.

    >>> wait_until({"for": "90m"}, begun_at=datetime(2026, 1, 31, 8, tzinfo=UTC)).isoformat()
    '2026-01-31T09:30:00+00:00'
    >>> wait_until({"until": "2026-01-31T08:00:00+01:00"}, begun_at=datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
    '2026-01-31T07:00:00+00:00'
    """
    if "for" in inputs:
        try:
            return begun_at.astimezone(UTC) + timedelta(seconds=parse_duration(inputs["for"]))
        except DurationInvalid as error:
            raise WaitInvalid(f"`for`: {error}") from error
    instant = read_instant(inputs.get("until"))
    if instant - begun_at > MAX_AHEAD:
        raise WaitInvalid(f"`until`: {inputs['until']} is more than {MAX_AHEAD.days} days away")
    return instant


def read_instant(value: JsonValue) -> datetime:
    """This will read an instant with its offset (RFC 3339). Raises WaitInvalid."""
    right = "write it with its offset, like 2026-01-31T08:00:00+01:00"
    if not isinstance(value, str):
        raise WaitInvalid(f"`until`: {value!r} is no instant: {right}")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError as error:
        raise WaitInvalid(f"`until`: {value!r} is no instant: {right}") from error
    if instant.tzinfo is None:
        raise WaitInvalid(f"`until`: {value} has no offset: {right}")
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise WaitInvalid(f"`until`: {value} is out of range") from error
