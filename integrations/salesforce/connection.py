"""What connections to Salesforce look like, how one is tried, and what Salesforce's refusals mean.

The base URL is that of the organisation, https://MYDOMAIN.my.salesforce.com. Tokens come by `oauth2`, from
/services/oauth2/token there. Source: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

from collections.abc import Mapping

from integrations import oauth2, vendor
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import CallFailed, Throttled, Unavailable
from integrations.vendor import App, Exchange
from integrations.vendor_http import Ask, HttpSpeaker, Reply, failure_of

KIND = "salesforce"
_VERSION = "v62.0"
_LIMITED, _LOCKED = "REQUEST_LIMIT_EXCEEDED", "UNABLE_TO_LOCK_ROW"
_LIMIT_WAIT_S = 300.0
"""The limit is one of the last 24 hours, so that a little comes back all the time."""
_SCHEMA: Mapping[str, object] = vendor.schema(
    {
        "api_version": {"type": "string", "pattern": r"^v\d{2,3}\.0$", "default": _VERSION},
        "oauth2": oauth2.SCHEMA,
    },
    description="The base URL is https://MYDOMAIN.my.salesforce.com; oauth2 gets tokens, or the secret token is one.",
)


def _headers(connection: ConnectionSettings) -> Mapping[str, str]:
    """Tokens of OAuth are in the connection's own headers already."""
    if oauth2.is_wanted(connection):
        return {}
    return {"authorization": f"Bearer {vendor.secret(connection, 'token')}"}


def judge(question: Ask, reply: Reply) -> CallFailed | None:
    """This will read the code of an error: Salesforce answers with a list of them."""
    if 200 <= reply.status < 300 or reply.status in question.allowed:
        return None
    errors = reply.body if isinstance(reply.body, list) else []
    codes = [str(one.get("errorCode", "")) for one in errors if isinstance(one, Mapping)]
    said = "; ".join(f"{one.get('errorCode')} {one.get('message')}" for one in errors if isinstance(one, Mapping))
    failure = failure_of(question, reply, vendor="salesforce", said=said)
    if _LIMITED in codes:
        return Throttled(failure.message, retry_after_s=_LIMIT_WAIT_S, evidence=failure.evidence)
    if _LOCKED in codes:
        return Unavailable(failure.message, evidence=failure.evidence)
    return failure


def _trial() -> Exchange:
    answer = yield Ask(path="/")
    return f"the token is taken, {len(answer.body)} resources are there"


def _speaker(connection: ConnectionSettings, deadline: Deadline) -> HttpSpeaker:
    prefix = f"/services/data/{connection.options.get('api_version', _VERSION)}"
    return HttpSpeaker(connection, deadline, _headers, judge, prefix)


APP = App(
    kind=KIND,
    connection_schema=_SCHEMA,
    secret_names=("token", *oauth2.SECRET_NAMES),
    speaker=_speaker,
    trial=_trial,
)
