"""What each answer of a peer means for the next attempt."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.errors import CallFailed, Refused, Throttled, Unavailable, Unknown
from integrations.http_semantics import Answer, failure_for, retry_after_s, structured_string

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def verdict(
    *, status: int, method: str = "POST", excerpt: str = "", sent_key: bool = True, **headers: str
) -> CallFailed:
    """This will judge one answer; a header's _ stands for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return failure_for(Answer(method=method, status=status, headers=named, excerpt=excerpt, sent_key=sent_key), now=NOW)


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("POST", 301, Refused),
        ("GET", 304, Refused),
        ("POST", 400, Refused),
        ("POST", 404, Refused),
        ("POST", 408, Unavailable),
        ("POST", 409, Refused),
        ("POST", 422, Refused),
        ("POST", 425, Unavailable),
        ("POST", 429, Throttled),
        ("POST", 500, Unknown),
        ("POST", 501, Refused),
        ("POST", 502, Unknown),
        ("POST", 503, Unavailable),
        ("POST", 504, Unknown),
        ("DELETE", 500, Unknown),
        ("GET", 500, Unavailable),
        ("GET", 502, Unavailable),
        ("HEAD", 504, Unavailable),
    ],
)
def test_failure_for_judges_by_method_and_status(method: str, status: int, expected: type[CallFailed]) -> None:
    failure = verdict(method=method, status=status, excerpt="why")

    assert type(failure) is expected
    assert failure.evidence == {"status": status, "body": "why"}


def test_failure_for_takes_the_delay_the_peer_asks_for() -> None:
    throttled = verdict(status=503, retry_after="7")

    assert isinstance(throttled, Throttled)
    assert throttled.retry_after_s == 7
    assert verdict(status=429).retry_after_s is None
    assert verdict(status=429, retry_after="Sun, 01 Mar 2026 12:01:30 GMT").retry_after_s == 90


def test_failure_for_waits_when_an_earlier_attempt_with_the_key_is_still_at_work() -> None:
    outstanding = "A request is outstanding for this Idempotency-Key"

    assert isinstance(verdict(status=409, excerpt=outstanding), Unavailable)
    assert isinstance(verdict(status=409, retry_after="1"), Unavailable)
    assert isinstance(verdict(status=409, excerpt=outstanding, sent_key=False), Refused)


def test_failure_for_forbids_a_repeat_when_the_peer_could_not_recognise_it() -> None:
    assert not verdict(status=500, sent_key=False).repeatable
    assert verdict(status=500, sent_key=True).repeatable
    assert verdict(status=500, method="GET", sent_key=False).repeatable


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "²", "Sun, 99 Foo 2026", None])
def test_retry_after_says_nothing_when_it_cannot_be_read(text: str | None) -> None:
    assert retry_after_s(text, now=NOW) is None


@given(st.text() | st.integers(0).map(str) | st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S GMT")))
def test_retry_after_is_never_negative_nor_longer_than_a_week(text: str) -> None:
    wait_s = retry_after_s(text, now=NOW)

    assert wait_s is None or 0 <= wait_s <= 7 * 24 * 3600


@pytest.mark.parametrize("text", ["a\nb", "é", "\x7f"])
def test_structured_string_refuses_what_a_header_cannot_hold(text: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        structured_string(text)
