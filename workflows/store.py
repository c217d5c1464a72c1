"""The hot statements as typed functions; it moves rows and decides nothing.

Every function is one statement. Outside a transaction it is one durable commit; inside one it is part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypedDict, TypeVar
from uuid import UUID

import orjson

from audit.events import EncodedEvent
from workflows import statements
from workflows.core.definition import JsonValue
from workflows.core.states import WaitReason
from workflows.start_rows import EntryRow as EntryRow
from workflows.start_rows import RunRow as RunRow

GATES = [reason.value for reason in WaitReason if reason.is_gate]
"""The wait reasons of runs that have not been let in yet."""


class ActivationRef(NamedTuple):
    """Names an activation in a message: which run, which segment, which puller; never data."""

    run_id: UUID
    segment: int
    slot: int


@dataclass(frozen=True, slots=True)
class Due:
    """An activation that has just been taken for dispatch."""

    run_id: UUID
    version_id: int
    segment: int
    slot: int
    lane: str
    priority: int
    dispatches: int
    was_lost: bool
    fairness_key: str = ""
    fairness_weight: float = 1.0
    is_gated: bool = False

    @property
    def ref(self) -> ActivationRef:
        """This will give its name as a message carries it."""
        return ActivationRef(self.run_id, self.segment, self.slot)


@dataclass(frozen=True, slots=True)
class Claim:
    """An activation leased to this worker, with what it needs of its run.

    `was_lost`: another worker held it and did not come back. `input` and `error` are the run's as JSON text. `ending`
    is what the run will end as; `notice` says whether anything comes after the step under way;
    `is_awaited`: a step of another run waits for this one; `is_dry`: it may have no effect outside.
    """

    id: int
    epoch: int
    run_id: UUID
    version_id: int
    segment: int
    slot: int
    position: int
    attempt: int
    round: int
    first_attempt_at: datetime
    previous_delay_s: float | None
    range_start: int
    range_end: int
    was_lost: bool
    input: str | None
    workflow_name: str
    correlation_id: str
    traceparent: str
    created_at: datetime
    deadline_at: datetime | None
    priority: int
    fairness_key: str = ""
    fairness_weight: float = 1.0
    pause_epoch: int = 0
    begun_at: datetime | None = None
    ending: str = ""
    is_undoing: bool = False
    error: str | None = None
    notice: int = 0
    is_awaited: bool = False
    is_dry: bool = False


@dataclass(frozen=True, slots=True)
class HeldItem:
    """An item in the hands of a puller. `round` is greater than 0 where it was requeued."""

    index: int
    value: JsonValue
    attempt: int
    previous_delay_s: float | None
    started_at: datetime | None
    round: int = 0
    parked_s: float = 0.0


_Held = TypeVar("_Held", "AdvanceRow", "FinishRow", "RetryRow", "PostponeRow", "HoldRow")


class StepRow(TypedDict):
    """How a step ended; `id` is its activation."""

    id: int
    step: str
    state: str
    output: object
    error: object
    attempts: int
    started_at: str | None
    ended_at: str


class EventRow(TypedDict):
    """An audit event that is recorded when activation `id` really changes."""

    id: int
    event: EncodedEvent


class AdvanceRow(TypedDict):
    """Activation `id` goes on to another step of its segment."""

    id: int
    epoch: int
    position: int


class FinishRow(TypedDict):
    """Activation `id` ends, and its run with it."""

    id: int
    epoch: int
    run_id: str
    state: str
    output: object
    error: object
    ended_at: str


class RetryRow(TypedDict):
    """The attempt of activation `id` failed; the next one begins after `delay_s`."""

    id: int
    epoch: int
    step: str
    attempt: int
    round: int
    delay_s: float
    kind: str
    message: str
    evidence: object
    started_at: str
    ended_at: str


class PostponeRow(TypedDict):
    """Activation `id` waits for `object` and asks again after `delay_s`; its attempt is not spent."""

    id: int
    epoch: int
    reason: str
    object: str
    delay_s: float


class HoldRow(TypedDict):
    """A lease that this worker believes to have."""

    id: int
    epoch: int


class ItemRow(TypedDict):
    """How an attempt of an item ended. `delay_s` is set when it is tried again."""

    index: int
    state: str
    output: object
    error: object
    attempt: int
    delay_s: float | None
    started_at: str
    ended_at: str | None


def dump(value: object) -> str:
    """This will write JSON as the database takes it."""
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()


def fragment(text: str) -> object:
    """This will embed JSON that is written already in what `dump` writes."""
    return orjson.Fragment(text)


def start_runs(
    *, release_id: int, runs: Sequence[RunRow], entries: Sequence[EntryRow], wait_ms: int | None = None
) -> frozenset[UUID] | None:
    """This will begin runs and give the ids of those that were begun: not those whose start key was taken.

    None: the release is not in use any more, or its workflow is disabled, and nothing was begun. `wait_ms` is how long
    it may wait for another transaction that is using one of the start keys; None: as long as the session allows.
    """
    params = {
        "release_id": release_id,
        "runs": dump(runs),
        "entries": dump(entries),
        "wait": None if wait_ms is None else f"{wait_ms}ms",
    }
    begun, is_current, *_ = statements.run("start_runs", params)[0]
    return frozenset(begun or ()) if is_current else None


def undo_take(*, refs: Sequence[ActivationRef], delay_s: float) -> None:
    """This will make activations due again in `delay_s`, because their message could not be sent."""
    statements.execute("undo_take", {**_named(refs), "delay_s": delay_s})


def next_due_s() -> float | None:
    """This will give the seconds until something is due (negative: overdue), or None."""
    due: float | None = statements.run("next_due", {})[0][0]
    return due


def claim(*, refs: Sequence[ActivationRef], owner: str, lease_s: float) -> Sequence[Claim]:
    """This will lease those of `refs` that may be worked on now; the others are somebody else's, or over."""
    months = _months([str(ref.run_id) for ref in refs])
    params = {**_named(refs), **months, "owner": owner, "lease_s": lease_s, "is_alone": len(refs) == 1, "gates": GATES}
    return [Claim(*row) for row in statements.run("claim", params)]


def advance(
    *, moves: Sequence[AdvanceRow], steps: Sequence[StepRow], events: Sequence[EventRow]
) -> tuple[frozenset[int], int]:
    """This will end steps and begin the next ones; gives those that were still ours, and the pauses' epoch."""
    if len(moves) == len(steps) == len(events) == 1:
        return _advance_one(moves[0], step=steps[0], event=events[0])
    moved, _, pause_epoch = _moved("advance", moves=moves, steps=steps, events=events)
    return frozenset(moved or ()), pause_epoch


def finish(*, moves: Sequence[FinishRow], steps: Sequence[StepRow], events: Sequence[EventRow]) -> frozenset[int]:
    """This will end steps, their activations and their runs; gives the activations that were still ours."""
    months = _months([move["run_id"] for move in moves])
    return frozenset(_moved("finish", moves=moves, steps=steps, events=events, **months)[0] or ())


def retry_later(*, moves: Sequence[RetryRow], events: Sequence[EventRow]) -> frozenset[int]:
    """This will book next attempts; gives the activations that were still ours."""
    rows = statements.run("retry_later", {"moves": dump(_in_lock_order(moves)), "events": dump(events)})
    return frozenset(rows[0][0] or ())


def postpone(*, holds: Sequence[PostponeRow]) -> frozenset[int]:
    """This will put activations aside without an attempt; gives those that were still ours."""
    rows = statements.run("postpone", {"holds": dump(_in_lock_order(holds))})
    return frozenset(rows[0][0] or ())


def release(*, holds: Sequence[HoldRow], delay_s: float = 0.0, keeps_place: bool = False) -> int:
    """This will give leases back, due for dispatch in `delay_s`; gives how many were still ours.

    `keeps_place`: they only make way for more urgent work, and do not line up behind their equals again.
    """
    params = {"holds": dump(_in_lock_order(holds)), "delay_s": delay_s, "keeps_place": keeps_place}
    return int(statements.run("release", params)[0][0])


def renew(*, holds: Sequence[HoldRow], lease_s: float) -> frozenset[int]:
    """This will extend leases; gives the activations that are still ours."""
    rows = statements.run("renew", {"holds": dump(_in_lock_order(holds)), "lease_s": lease_s})
    return frozenset(row[0] for row in rows)


def open_items(*, run_id: UUID, step: str, values: Sequence[JsonValue]) -> int:
    """This will store the items of a `for_each`; gives how many."""
    params = {"run_id": run_id, "step": step, "items": dump(values)}
    return int(statements.run("open_items", params)[0][0])


def take_items(*, run_id: UUID, step: str, hold: HoldRow, limit: int, parallel: int) -> Sequence[HeldItem]:
    """This will take the next items for a puller, in their order; none when all are taken or it lost its lease.

    It takes at most `limit`, and at most half of what would be a puller's fair share of the rest.
    """
    params = {"run_id": run_id, "step": step, "limit": limit, "parallel": parallel, **hold}
    return _items("take_items", params)


def held_items(*, run_id: UUID, step: str, first: int, until: int, slot: int) -> Sequence[HeldItem]:
    """This will give the items a puller had taken and not ended before it was lost."""
    held = _items("held_items", {"run_id": run_id, "step": step, "first": first, "until": until})
    retries = _items("held_retries", {"run_id": run_id, "step": step, "slot": slot})
    known = {item.index for item in held}
    return [*held, *(item for item in retries if item.index not in known)]


def take_waiting_items(*, run_id: UUID, step: str, hold: HoldRow, slot: int, limit: int) -> Sequence[HeldItem]:
    """This will take the items that are longest due, in their order; none when the puller lost its lease."""
    params = {"run_id": run_id, "step": step, "slot": slot, "limit": limit, **hold}
    return sorted(_items("take_waiting_items", params), key=lambda item: item.index)


def end_items(
    *,
    run_id: UUID,
    step: str,
    hold: HoldRow,
    results: Sequence[ItemRow],
    events: Sequence[EncodedEvent],
) -> int | None:
    """This will end items or book their next attempt; None when the lease was lost, else the pauses' epoch."""
    params = {
        "run_id": run_id,
        "step": step,
        "results": dump(results),
        "indexes": [result["index"] for result in results],
        "events": dump(events),
        **hold,
    }
    rows = statements.run("end_items", params)
    return int(rows[0][0]) if rows else None


def _moved(
    name: str,
    *,
    moves: Sequence[_Held],
    steps: Sequence[StepRow],
    events: Sequence[EventRow],
    **months: str,
) -> Sequence[Any]:  # Any: the columns of either statement
    params = {"moves": dump(_in_lock_order(moves)), "steps": dump(steps), "events": dump(events), **months}
    return statements.run(name, params)[0]


def _advance_one(move: AdvanceRow, *, step: StepRow, event: EventRow) -> tuple[frozenset[int], int]:
    written = {"output": _json_or_null(step["output"]), "error": _json_or_null(step["error"])}
    rows = statements.run("advance_one", {**step, **move, **written, "events": dump([event["event"]])})
    return (frozenset((rows[0][0],)), rows[0][2]) if rows else (frozenset(), 0)


def _json_or_null(value: object) -> str | None:
    """As `jsonb_to_recordset` reads it: a JSON null is no value at all."""
    text = dump(value)
    return None if text == "null" else text


def _items(name: str, params: Mapping[str, object]) -> Sequence[HeldItem]:
    return [
        HeldItem(index, None if value is None else orjson.loads(value), *rest)
        for index, value, *rest in statements.run(name, params)
    ]


def _months(run_ids: Sequence[str]) -> Mapping[str, str]:
    """Their texts have the order of the ids, and so of the months they lie in."""
    return {"first_run": min(run_ids), "last_run": max(run_ids)}


def _named(refs: Sequence[ActivationRef]) -> Mapping[str, object]:
    return {"refs": dump([ref._asdict() for ref in refs]), "run_ids": [ref.run_id for ref in refs]}


def _in_lock_order(rows: Sequence[_Held]) -> list[_Held]:
    """Statements that run beside each other lock rows in one order, so that none waits for the other in a circle."""
    return sorted(rows, key=lambda row: row["id"])
