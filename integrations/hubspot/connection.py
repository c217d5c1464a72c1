"""What connections to HubSpot look like, how one is tried, and what HubSpot's refusals mean.

The base URL is https://api.hubapi.com. Source: https://developers.hubspot.com/docs/api-reference/error-handling
"""

from collections.abc import Mapping
from functools import partial

from integrations import oauth2, vendor
from integrations.contract import ConnectionSettings
from integrations.errors import CallFailed, Refused, Throttled, Unavailable
from integrations.vendor import App, Exchange
from integrations.vendor_http import Ask, HttpSpeaker, Reply, failure_of

KIND = "hubspot"
_TOO_MANY, _PARTLY = 429, 207
_NOT_NOW = frozenset({423, 477})
_WAITS_S: Mapping[str, float] = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
_SCHEMA: Mapping[str, object] = vendor.schema(
    {"oauth2": oauth2.SCHEMA},
    description="The base URL is https://api.hubapi.com; the secret token is a private app's, or oauth2 gets one.",
)


def _headers(connection: ConnectionSettings) -> Mapping[str, str]:
    """Tokens of OAuth are in the connection's own headers already."""
    if oauth2.is_wanted(connection):
        return {}
    return {"authorization": f"Bearer {vendor.secret(connection, 'token')}"}


def judge(question: Ask, reply: Reply) -> CallFailed | None:
    """This will read HubSpot's category; a batch of which nothing was done is answered with 207."""
    body = reply.body if isinstance(reply.body, Mapping) else {}
    if reply.status == _PARTLY and body.get("errors"):
        said = str(body["errors"][0].get("message", ""))
        return Refused(f"hubspot refused it: {said[:300]}", evidence={"status": reply.status, "body": reply.text})
    if reply.status < 400 or reply.status in question.allowed:
        return None
    category = str(body.get("category", ""))
    failure = failure_of(question, reply, vendor="hubspot", said=f"{category} {body.get('message', '')}".strip())
    if reply.status in _NOT_NOW:
        return Unavailable(failure.message, evidence=failure.evidence, retry_after_s=failure.retry_after_s)
    if reply.status == _TOO_MANY and failure.retry_after_s is None:
        wait_s = _WAITS_S.get(str(body.get("policyName", "")), 10.0)
        return Throttled(failure.message, retry_after_s=wait_s, evidence=failure.evidence)
    return failure


def _trial() -> Exchange:
    answer = yield Ask(path="/account-info/v3/details")
    return f"the token is taken: account {answer.body.get('portalId')}, {answer.body.get('accountType')}"


APP = App(
    kind=KIND,
    connection_schema=_SCHEMA,
    secret_names=("token", *oauth2.SECRET_NAMES),
    speaker=partial(HttpSpeaker, headers=_headers, judge=judge),
    trial=_trial,
)
