"""The statements of steps that wait outside, as typed functions: park, wake; it decides nothing."""

from collections.abc import Sequence
from typing import NamedTuple, TypedDict
from uuid import UUID

from audit.events import EncodedEvent
from workflows import statements
from workflows.store import HoldRow, dump


class ParkRow(TypedDict):
    """Activation `id` waits for `object`, at most `until`. `event` is recorded with it, if there is one."""

    id: int
    epoch: int
    reason: str
    object: str
    until: str
    begun_at: str
    event: EncodedEvent | None


class ItemStayRow(TypedDict):
    """Item `index` waits for `object`, at most `until`."""

    index: int
    reason: str
    object: str
    until: str
    begun_at: str


class Sleeper(NamedTuple):
    """Where in a run's plan a step is that waits outside."""

    run_id: UUID
    segment: int
    position: int


def park(*, holds: Sequence[ParkRow]) -> frozenset[int]:
    """This will put activations aside whose steps wait outside; gives those that were still ours."""
    rows = statements.run("park", {"holds": dump(sorted(holds, key=lambda row: row["id"]))})
    return frozenset(rows[0][0] or ())


def park_items(
    *, run_id: UUID, step: str, hold: HoldRow, stays: Sequence[ItemStayRow], events: Sequence[EncodedEvent]
) -> bool:
    """This will put items aside that wait outside; False when the lease was lost and nothing changed."""
    params = {
        "run_id": run_id,
        "step": step,
        "stays": dump(stays),
        "indexes": [stay["index"] for stay in stays],
        "events": dump(events),
        **hold,
    }
    return bool(statements.run("park_items", params))


def wake(sleepers: Sequence[Sleeper]) -> int:
    """This will make parked steps due, in the caller's transaction; gives how many were parked."""
    rows = statements.run(
        "wake", {"sleepers": dump([one._asdict() for one in sleepers]), "run_ids": [one.run_id for one in sleepers]}
    )
    return int(rows[0][0])
