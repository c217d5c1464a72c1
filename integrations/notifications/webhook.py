"""The channel `webhook`: a POST of JSON, to a public address or through a connection.

    https://chat.example.com/hooks/42       a public address; private ones are refused
    connection:chat/hooks/42                a path of the connection `chat`, with its credentials and its rules

The receiver knows a repetition by the header Idempotency-Key, which is the notification's id.
"""

from urllib.parse import urlsplit

from integrations import operations
from integrations.contract import CallContext
from integrations.notifications.contract import Parcel, WrongRecipient

name = "webhook"
_CONNECTION = "connection:"
_RIGHT = "write https://host/path, or connection:NAME/path for one of the connections"


def check(recipient: str) -> None:
    """This will take a URL, or a connection with a path. Raises WrongRecipient."""
    connection, target = _split(recipient)
    if connection == "" or (connection is None and not _is_url(target)):
        raise WrongRecipient(f"{recipient!r} is no address for a webhook: {_RIGHT}")


def send(parcel: Parcel) -> None:
    """This will make the call with all the guards that steps have. Raises CallFailed, and Postponed."""
    connection, target = _split(parcel.recipient)
    operations.call(
        uses="http.request",
        connection=connection,
        inputs={
            "method": "POST",
            "url" if connection is None else "path": target,
            "json": {
                "id": parcel.id,
                "subject": parcel.subject,
                "text": parcel.text,
                "run": parcel.about or None,
                **{key: value for key, value in parcel.data.items() if key not in ("id", "subject", "text", "run")},
            },
        },
        context=CallContext(
            idempotency_key=parcel.id,
            timeout_s=parcel.timeout_s,
            attempt=parcel.attempt,
            run_id=parcel.about,
            step="notification",
            correlation_id=parcel.correlation_id,
        ),
    )


def _split(recipient: str) -> tuple[str | None, str]:
    if not recipient.startswith(_CONNECTION):
        return None, recipient
    connection, _, path = recipient.removeprefix(_CONNECTION).partition("/")
    return connection, f"/{path}"


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)
