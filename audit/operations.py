"""The only writer of the audit trail; it never changes or removes what is written.

Hot statements of other apps call the database function `audit_record` inside themselves instead, with the
JSON array of the same `audit.events.encode`: one statement, one commit, the same rows.
"""

import orjson
from django.db import connection

from audit.errors import OutsideTransaction
from audit.events import EncodedEvent, Event, encode


def record(*events: Event) -> int:
    """This will write events in their order, inside the caller's transaction, and return how many.

    Raises OutsideTransaction when no transaction is open, UnencodableEvent when an event has no canonical
    form; in both cases nothing is written.
    """
    return record_encoded(*(encode(event) for event in events))


def record_encoded(*events: EncodedEvent) -> int:
    """This will write events that are encoded already, like `record`. Raises OutsideTransaction."""
    if not connection.in_atomic_block:
        raise OutsideTransaction(
            "audit.operations.record was called with no transaction open: "
            "call it inside the transaction.atomic() that makes the change"
        )
    if not events:
        return 0
    encoded = orjson.dumps(events).decode()
    with connection.cursor() as cursor:
        cursor.execute("select audit_record(%s::jsonb)", [encoded])
        (recorded,) = cursor.fetchone()
    return int(recorded)
