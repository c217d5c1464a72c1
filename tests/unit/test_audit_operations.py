"""What the writer of the trail refuses before it touches the database."""

from datetime import UTC, datetime

import pytest

from audit import operations
from audit.errors import OutsideTransaction
from audit.events import Actor, ActorKind, Event, EventKind


def test_record_refuses_when_no_transaction_is_open() -> None:
    event = Event(
        kind=EventKind.RUN_STARTED,
        actor=Actor(kind=ActorKind.SYSTEM),
        subject_type="run",
        subject_id="r1",
        correlation_id="c1",
        at=datetime(2026, 1, 1, tzinfo=UTC),
    )

    with pytest.raises(OutsideTransaction, match=r"transaction\.atomic"):
        operations.record(event)
