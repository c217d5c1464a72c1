"""What connections to GitHub look like, how one is tried, and what GitHub's refusals mean.

The base URL is https://api.github.com, or https://HOST/api/v3 of a GitHub Enterprise Server.
Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

import time
from collections.abc import Mapping
from functools import partial

from integrations import client_tls, vendor
from integrations.contract import ConnectionSettings
from integrations.errors import CallFailed, Throttled
from integrations.vendor import App, Exchange
from integrations.vendor_http import Ask, HttpSpeaker, Reply, failure_of

KIND = "github"
_VERSION = "2022-11-28"
_FORBIDDEN, _TOO_MANY = 403, 429
_SCHEMA: Mapping[str, object] = vendor.schema(
    {
        "api_version": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "default": _VERSION},
        "tls": client_tls.SCHEMA,
    },
    description="The base URL is https://api.github.com, the secret token that of an app or a person.",
)


def _headers(connection: ConnectionSettings) -> Mapping[str, str]:
    return {
        "accept": "application/vnd.github+json",
        "authorization": f"Bearer {vendor.secret(connection, 'token')}",
        "x-github-api-version": str(connection.options.get("api_version", _VERSION)),
    }


def judge(question: Ask, reply: Reply) -> CallFailed | None:
    """This will tell a limit that is used up from a refusal: GitHub says both with 403."""
    if reply.status < 400 or reply.status in question.allowed:
        return None
    said = str(reply.body.get("message", "")) if isinstance(reply.body, Mapping) else ""
    failure = failure_of(question, reply, vendor="GitHub", said=said)
    is_used_up = reply.headers.get("x-ratelimit-remaining") == "0" or "rate limit" in said.lower()
    if reply.status == _TOO_MANY or (reply.status == _FORBIDDEN and is_used_up):
        return Throttled(failure.message, retry_after_s=_wait_s(reply), evidence=failure.evidence)
    return failure


def _wait_s(reply: Reply) -> float:
    """Without any word of GitHub's it asks for a minute."""
    said, reset = reply.headers.get("retry-after", ""), reply.headers.get("x-ratelimit-reset", "")
    if said.isdecimal():
        return float(said)
    return max(float(reset) - time.time(), 1.0) if reset.isdecimal() else 60.0


def _trial() -> Exchange:
    """An app's token has no user; what it may still use is known of every token, and asking costs nothing."""
    answer = yield Ask(path="/rate_limit")
    core = answer.body["resources"]["core"]
    return f"the token is taken, {core['remaining']} of {core['limit']} requests are left"


APP = App(
    kind=KIND,
    connection_schema=_SCHEMA,
    secret_names=("token", *client_tls.SECRET_NAMES),
    speaker=partial(HttpSpeaker, headers=_headers, judge=judge),
    trial=_trial,
)
