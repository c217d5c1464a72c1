"""Which adapters there are; it never calls one.

Those of this project stand in the table below. An installed package adds its own with an entry point of the
group `automation.adapters`, whose value is a module that keeps `integrations.contract.Adapter`, or a tuple of adapters:
the actions of an app.
"""

import functools
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

import jsonschema_rs

from integrations.adapters import http_request
from integrations.adapters.amqp import get as amqp_get
from integrations.adapters.amqp import publish as amqp_publish
from integrations.adapters.browser import run as browser_run
from integrations.adapters.files import listing as file_list
from integrations.adapters.files import read as file_read
from integrations.adapters.files import write as file_write
from integrations.adapters.grpc import call as grpc_call
from integrations.adapters.mail import send as mail_send
from integrations.adapters.rest import call as rest_call
from integrations.adapters.s3 import get as s3_get
from integrations.adapters.s3 import listing as s3_list
from integrations.adapters.s3 import put as s3_put
from integrations.adapters.soap import call as soap_call
from integrations.adapters.sql import execute as sql_execute
from integrations.adapters.sql import query as sql_query
from integrations.adapters.ssh import get as sftp_get
from integrations.adapters.ssh import put as sftp_put
from integrations.adapters.ssh import run as ssh_run
from integrations.contract import Adapter, AsyncAdapter
from integrations.errors import AdapterNameTaken, UnknownAdapter
from integrations.github import actions as github
from integrations.hubspot import actions as hubspot
from integrations.salesforce import actions as salesforce
from integrations.slack import actions as slack
from integrations.stripe import actions as stripe

GROUP = "automation.adapters"
RATE_KEY = "rate_key"
"""An input of every adapter that is not the adapter's: it divides the rate limit of the connection."""
_RATE_KEY = {
    "type": ["string", "integer"],
    "description": "Divides the rate limit of the connection: each value has the whole limit for itself.",
}
_BUILT_IN: tuple[Adapter, ...] = (
    http_request,
    rest_call,
    sql_query,
    sql_execute,
    ssh_run,
    sftp_get,
    sftp_put,
    grpc_call,
    mail_send,
    file_read,
    file_write,
    file_list,
    s3_get,
    s3_put,
    s3_list,
    amqp_publish,
    amqp_get,
    soap_call,
    browser_run,
    *stripe.ACTIONS,
    *github.ACTIONS,
    *salesforce.ACTIONS,
    *hubspot.ACTIONS,
    *slack.ACTIONS,
)


def get_adapter(name: str) -> Adapter:
    """This will find an adapter by the name that `uses` says. Raises UnknownAdapter."""
    try:
        return adapters()[name]
    except KeyError:
        known = ", ".join(sorted(adapters()))
        raise UnknownAdapter(f"there is no adapter {name!r}: known are {known}") from None


def find_async_adapter(name: str) -> AsyncAdapter | None:
    """This will find an adapter that can act on an event loop; None when there is none of that name that can."""
    adapter = adapters().get(name)
    return adapter if isinstance(adapter, AsyncAdapter) else None


def input_schemas() -> Mapping[str, Mapping[str, object]]:
    """This will give the JSON Schema of each adapter's inputs, by the adapter's name, with what every one takes."""
    return {name: _with_rate_key(adapter.input_schema) for name, adapter in adapters().items()}


@functools.cache
def adapters() -> Mapping[str, Adapter]:
    """This will give all adapters by name; read once per process. Raises AdapterNameTaken."""
    return table(built_in=_BUILT_IN, installed=entry_points(group=GROUP))


def table(*, built_in: Iterable[Adapter], installed: Iterable[EntryPoint]) -> Mapping[str, Adapter]:
    """This will put adapters under their names. Raises AdapterNameTaken when two have the same."""
    known = {adapter.name: adapter for adapter in built_in}
    for entry in installed:
        loaded: Adapter | tuple[Adapter, ...] = entry.load()
        for adapter in loaded if isinstance(loaded, tuple) else (loaded,):
            if adapter.name in known:
                raise AdapterNameTaken(f"{entry.value} calls itself {adapter.name!r}, as another adapter does")
            known[adapter.name] = adapter
    return known


def _with_rate_key(schema: Mapping[str, object]) -> Mapping[str, object]:
    properties = schema.get("properties")
    return {**schema, "properties": {**(properties if isinstance(properties, Mapping) else {}), RATE_KEY: _RATE_KEY}}


@functools.cache
def validator(name: str) -> jsonschema_rs.Validator:
    """This will compile the schema of an adapter's inputs, once per process. Raises UnknownAdapter.

    It fetches no reference, and its messages never repeat a value, which may be a secret.
    """
    schema = dict(get_adapter(name).input_schema)
    return jsonschema_rs.validator_for(schema, offline=True, mask="the value")
