"""What vendors say when they say no: their words, their headers, and what they mean for the next attempt."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown
from integrations.github import connection as github
from integrations.hubspot import connection as hubspot
from integrations.salesforce import connection as salesforce
from integrations.slack import connection as slack
from integrations.vendor_http import Ask, Judge, Reply

POST = Ask(method="POST", path="/thing")
GET = Ask(path="/thing")
Headers = Mapping[str, str]


def judged(judge: Judge, status: int, body: Any, *, headers: Headers | None = None, ask: Ask = POST) -> CallFailed:
    """This will be what an answer means to an app."""
    found = judge(ask, Reply(status=status, headers=headers or {}, body=body, text=str(body)))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("status", "said", "headers", "kind"),
    [
        (403, "Resource not accessible by integration", {"x-ratelimit-remaining": "4999"}, Refused),
        (403, "You have exceeded a secondary rate limit.", {"retry-after": "17"}, Throttled),
        (429, "API rate limit exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "{in_17_s}"}, Throttled),
        (422, "Validation Failed", {}, Refused),
        (401, "Bad credentials", {}, Denied),
        (502, "Server Error", {}, Unknown),
    ],
)
def test_github_says_no(status: int, said: str, headers: Headers, kind: type[CallFailed]) -> None:
    at = str(int(time.time()) + 18)
    headers = {name: value.replace("{in_17_s}", at) for name, value in headers.items()}

    failure = judged(github.judge, status, {"message": said}, headers=headers)

    assert type(failure) is kind
    assert said in failure.message
    if kind is Throttled:
        assert failure.retry_after_s is not None
        assert 1 <= failure.retry_after_s <= 18


@pytest.mark.parametrize(
    ("word", "kind", "kind_of_reading"),
    [
        ("ratelimited", Throttled, Throttled),
        ("token_revoked", Denied, Denied),
        ("service_unavailable", Unavailable, Unavailable),
        ("internal_error", Unknown, Unavailable),
        ("missing_scope", Refused, Refused),
        ("whatever_is_new", Refused, Refused),
    ],
)
def test_slack_says_no(word: str, kind: type[CallFailed], kind_of_reading: type[CallFailed]) -> None:
    body = {"ok": False, "error": word}

    assert type(judged(slack.judge, 200, body)) is kind
    assert type(judged(slack.judge, 200, body, ask=GET)) is kind_of_reading
    assert slack.judge(Ask(path="/thing", allowed=(word,)), Reply(status=200, headers={}, body=body, text="")) is None


@pytest.mark.parametrize(
    ("status", "body", "kind", "wait_s"),
    [
        (429, {"category": "RATE_LIMITS", "policyName": "DAILY"}, Throttled, 3600.0),
        (429, {"category": "RATE_LIMITS", "policyName": "SECONDLY"}, Throttled, 1.0),
        (423, {"category": "LOCKED"}, Unavailable, None),
        (409, {"category": "CONFLICT", "message": "exists"}, Refused, None),
        (207, {"results": [], "errors": [{"message": "no"}]}, Refused, None),
        (504, None, Unknown, None),
    ],
)
def test_hubspot_says_no(status: int, body: Any, kind: type[CallFailed], wait_s: float | None) -> None:
    failure = judged(hubspot.judge, status, body)

    assert (type(failure), failure.retry_after_s) == (kind, wait_s)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "INVALID_SESSION_ID", Denied),
        (403, "REQUEST_LIMIT_EXCEEDED", Throttled),
        (403, "INSUFFICIENT_ACCESS", Refused),
        (400, "UNABLE_TO_LOCK_ROW", Unavailable),
        (400, "REQUIRED_FIELD_MISSING", Refused),
        (503, "SERVER_UNAVAILABLE", Unavailable),
        (500, "UNKNOWN_EXCEPTION", Unknown),
    ],
)
def test_salesforce_says_no(status: int, code: str, kind: type[CallFailed]) -> None:
    failure = judged(salesforce.judge, status, [{"errorCode": code, "message": "no"}])

    assert type(failure) is kind
    assert code in failure.message
