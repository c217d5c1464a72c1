"""What connections to Slack look like, how one is tried, and what Slack's words for failures mean.

The base URL is https://slack.com/api. Sources: https://docs.slack.dev/apis/web-api, .../apis/web-api/rate-limits
"""

from collections.abc import Mapping
from functools import partial

from integrations import http_semantics, vendor
from integrations.contract import ConnectionSettings
from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable
from integrations.vendor import App, Exchange
from integrations.vendor_http import Ask, HttpSpeaker, Reply

KIND = "slack"
_DENIED = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})
_NOT_NOW = frozenset({"service_unavailable", "request_timeout", "team_added_to_org"})
_BROKEN = frozenset({"internal_error", "fatal_error"})
"""Slack says of both that a part may have been done."""
_LIMITED = frozenset({"ratelimited", "rate_limited"})
_SCHEMA: Mapping[str, object] = vendor.schema(
    {}, description="The base URL is https://slack.com/api, the secret token that of the app's bot (xoxb-...)."
)


def _headers(connection: ConnectionSettings) -> Mapping[str, str]:
    return {"authorization": f"Bearer {vendor.secret(connection, 'token')}"}


def judge(question: Ask, reply: Reply) -> CallFailed | None:
    """This will read `ok`: Slack answers with 200 to almost everything."""
    if not isinstance(reply.body, Mapping) or reply.body.get("ok") is not False:
        return None
    word = str(reply.body.get("error", ""))[:100]
    text = f"slack answered {question.path}: {word}"
    evidence = {"status": reply.status, "error": word, "needed": reply.body.get("needed")}
    if word in question.allowed:
        return None
    if word in _LIMITED:
        wait = reply.headers.get("retry-after", "")
        return Throttled(text, retry_after_s=float(wait) if wait.isdecimal() else None, evidence=evidence)
    if word in _DENIED:
        return Denied(text, evidence=evidence)
    if word in _NOT_NOW:
        return Unavailable(text, evidence=evidence)
    if word in _BROKEN:
        return http_semantics.unknown_or_unavailable(
            text, method=question.semantics, evidence=evidence, repeatable=False
        )
    return Refused(text, evidence=evidence)


def _trial() -> Exchange:
    answer = yield Ask(method="POST", path="/auth.test", changes=False)
    return f"the token is taken: {answer.body.get('user', '')} of {answer.body.get('team', '')}"


APP = App(
    kind=KIND,
    connection_schema=_SCHEMA,
    secret_names=("token",),
    speaker=partial(HttpSpeaker, headers=_headers, judge=judge),
    trial=_trial,
)
