"""Writes requests down as rows, one statement for a batch; it opens no transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson

from automation.inbound_models import DeliveryState, WebhookDelivery
from automation.intake.envelope import Envelope
from workflows import statements

statements.add_file(package="automation", name="inbound.sql")
STATEMENT = "write_deliveries"
_NUL_IN_JSON = b"\\u0000"


def write(envelopes: Sequence[Envelope]) -> None:
    """This will write requests down as rows that wait to be read; those that are there already stay as they are."""
    if envelopes:
        statements.execute(STATEMENT, columns_of(envelopes))


def write_unreadable(data: bytes, *, row: UUID, problem: str, now: datetime) -> None:
    """This will keep a message that this release cannot read: what was acknowledged is not thrown away."""
    refused = WebhookDelivery(
        id=row,
        source="(unreadable)",
        state=DeliveryState.REFUSED,
        received_at=now,
        headers={},
        body=data,
        problem=problem[:500],
        processed_at=now,
    )
    WebhookDelivery.objects.bulk_create([refused], ignore_conflicts=True)


def columns_of(envelopes: Sequence[Envelope]) -> Mapping[str, object]:
    """This will give what the statement wants: a list for each column, instants in unix seconds."""
    return {
        "ids": [envelope.id for envelope in envelopes],
        "sources": [envelope.source[:100] for envelope in envelopes],
        "received": [envelope.received_at for envelope in envelopes],
        "signed": [envelope.signed_at for envelope in envelopes],
        "peers": [envelope.peer[:100].replace("\0", "") for envelope in envelopes],
        "headers": [_json(envelope.headers) for envelope in envelopes],
        "bodies": [envelope.body for envelope in envelopes],
        "keys": [envelope.key for envelope in envelopes],
    }


def _json(headers: Mapping[str, str]) -> str:
    """PostgreSQL knows no NUL, and no header means anything by one."""
    text = orjson.dumps(headers)
    if _NUL_IN_JSON in text:
        text = orjson.dumps({name.replace("\0", ""): value.replace("\0", "") for name, value in headers.items()})
    return text.decode()
