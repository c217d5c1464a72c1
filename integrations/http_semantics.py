"""What HTTP says about an answer and about repeating a request; it never sends anything.

Sources: RFC 9110 (methods, status codes, Retry-After), RFC 6585 (429), RFC 8470 (425), RFC 8941 (strings)
and the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_TOO_EARLY_OR_SLOW = frozenset({408, 425})
_NEVER_SUPPORTED = frozenset({501, 505})
_UNAUTHORIZED, _CONFLICT, _TOO_MANY, _SERVICE_UNAVAILABLE = 401, 409, 429, 503
_LONGEST_WAIT_S = 7 * 24 * 3600.0
_KEY_IN_USE = ("idempotency", "outstanding", "in progress", "in-progress")


class Answer(NamedTuple):
    """What was answered, as far as it matters for the verdict."""

    method: str
    status: int
    headers: Mapping[str, str]
    excerpt: str
    sent_key: bool


def structured_string(text: str) -> str:
    """This will write a text as an RFC 8941 string. Raises ValueError unless it is printable ASCII.

    >>> print(structured_string('run "7"'))
    "run \\"7\\""
    """
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{text!r} is no RFC 8941 string: it must be printable ASCII")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def retry_after_s(value: str | None, *, now: datetime) -> float | None:
    """This will read a Retry-After header, in seconds from `now`, at most a week; None when it says nothing.

    >>> retry_after_s("120", now=datetime(2026, 3, 1, tzinfo=UTC))
    120.0
    >>> retry_after_s("Sun, 01 Mar 2026 00:00:30 GMT", now=datetime(2026, 3, 1, tzinfo=UTC))
    30.0
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)  # "-0000": in UTC without saying where
    return min(max((at - now).total_seconds(), 0.0), _LONGEST_WAIT_S)


def failure_for(answer: Answer, *, now: datetime) -> CallFailed:
    """This will judge an answer that is not the one expected: did it happen, and may it be repeated?"""
    text = f"{answer.method} was answered with status {answer.status}"
    evidence = {"status": answer.status, "body": answer.excerpt}
    wait_s = retry_after_s(answer.headers.get("retry-after"), now=now)
    if answer.status == _TOO_MANY or (answer.status == _SERVICE_UNAVAILABLE and wait_s is not None):
        return Throttled(text, retry_after_s=wait_s, evidence=evidence)
    if answer.status in _TOO_EARLY_OR_SLOW or answer.status == _SERVICE_UNAVAILABLE:
        return Unavailable(text, retry_after_s=wait_s, evidence=evidence)
    if answer.status == _CONFLICT and _is_key_in_use(answer):
        return Unavailable(f"{text}: an earlier attempt is still at work", retry_after_s=wait_s, evidence=evidence)
    if answer.status >= 500 and answer.status not in _NEVER_SUPPORTED:
        return unknown_or_unavailable(text, method=answer.method, evidence=evidence, repeatable=answer.sent_key)
    if answer.status == _UNAUTHORIZED:
        return Denied(text, evidence=evidence)
    return Refused(text, evidence=evidence)


def unknown_or_unavailable(text: str, *, method: str, evidence: Mapping[str, object], repeatable: bool) -> CallFailed:
    """This will name a call without a verdict: harmless for a safe method, unknown for every other."""
    if method in SAFE_METHODS:
        return Unavailable(text, evidence=evidence)
    return Unknown(text, evidence=evidence, repeatable=repeatable)


def _is_key_in_use(answer: Answer) -> bool:
    """This will tell a 409 about the key of an attempt still running from one about the thing itself."""
    if not answer.sent_key:
        return False
    excerpt = answer.excerpt.lower()
    return "retry-after" in answer.headers or any(word in excerpt for word in _KEY_IN_USE)
