"""What follows when a peer does not take our credentials: they are read anew, and tried once more if they changed."""

import time
from dataclasses import dataclass, replace

from integrations import credentials, oauth2, queries
from integrations.contract import CallContext, ConnectionSettings
from integrations.errors import CallFailed, UnknownConnection

_LEAST_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewed:
    """The connection with its new secrets, and the time that is left."""

    settings: ConnectionSettings
    context: CallContext


def renewed(settings: ConnectionSettings | None, *, context: CallContext, began: float) -> Renewed | None:
    """This will ask the stores of a connection's secrets again; None: they are what they were, or nobody can tell.

    A denied call did nothing, so that the same call with other credentials is no second one. `began`: when the first
    was made, as `time.monotonic()`.
    """
    if settings is None or not settings.secrets:
        return None
    try:
        credentials.hint(queries.get_connection(settings.name).references)
        oauth2.hint(settings.name)
        again = queries.connection_settings(settings.name)
    except (CallFailed, UnknownConnection):
        return None
    left_s = context.timeout_s - (time.monotonic() - began)
    if set(again.secrets) == set(settings.secrets) or left_s < _LEAST_S:
        return None
    return Renewed(settings=again, context=replace(context, timeout_s=left_s))
