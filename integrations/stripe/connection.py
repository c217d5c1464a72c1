"""What connections to Stripe look like, and how one is tried; it never loads Stripe's library.

The base URL is https://api.stripe.com, or that of a simulator.
"""

from collections.abc import Mapping

from integrations import extras, vendor
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import Refused
from integrations.stripe.question import Question
from integrations.vendor import App, Exchange, Speaker

KIND = "stripe"
_SCHEMA: Mapping[str, object] = vendor.schema(
    {
        "api_version": {
            "type": "string",
            "pattern": r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$",
            "description": "The version of Stripe's API; without it, that of the library that is installed.",
        },
        "account": {
            "type": "string",
            "pattern": "^acct_[A-Za-z0-9]+$",
            "description": "The connected account for which the platform's key acts.",
        },
    },
    description="The base URL is https://api.stripe.com, the secret api_key a key that fits the environment.",
)
_MODES: Mapping[str, str] = {"live": "_live_", "test": "_test_"}


def speaker(connection: ConnectionSettings, deadline: Deadline) -> Speaker:
    """This will load Stripe's library and speak through it.

    Raises Refused where it is not installed, or where the key is not one of the connection's environment: a test must
    never move money, and live work must not go to a test account unseen.
    """
    key = vendor.secret(connection, "api_key")
    other = _MODES["test" if connection.environment == "live" else "live"]
    if other in key[:12]:
        raise Refused(
            f"connection {connection.name} is for the environment {connection.environment}, and its api_key is not: "
            "give it a key of that environment, or change the environment"
        )
    client = extras.load("integrations.stripe.client", extra="stripe")
    made: Speaker = client.LibrarySpeaker(connection, deadline, key)
    return made


def _trial() -> Exchange:
    """A restricted key may be forbidden to see the balance: then Stripe knows it all the same."""
    balance = yield Question(service="balance", verb="retrieve", may_be_forbidden=True)
    if balance is None:
        return "the key is taken; it may not read the balance"
    return f"the key is taken, {'live' if balance.get('livemode') else 'test'} mode"


APP = App(kind=KIND, connection_schema=_SCHEMA, secret_names=("api_key",), speaker=speaker, trial=_trial)
