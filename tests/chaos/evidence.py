"""All that is known when the attack is over, as plain rows: what laws are judged on; it judges nothing."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TypeVar
from uuid import UUID

from tests.chaos.arrivals import FireEventRow, FireRow, HookRow, PlaceRow
from tests.chaos.book import Book
from tests.chaos.workloads.workload import Workload
from tests.flows.ledger import Entry
from workflows.core.definition import JsonValue, StepDefinition
from workflows.core.identity import idempotency_key

_Row = TypeVar("_Row")
_Key = TypeVar("_Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run."""

    id: UUID
    workflow_name: str
    version_id: int
    state: str
    round: int
    input: JsonValue
    output: JsonValue
    started_by: str
    created_at: datetime
    ended_at: datetime | None
    is_undoing: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRow:
    """A step that has ended."""

    run_id: UUID
    step: str
    state: str
    attempts: int
    started_at: datetime | None
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FanoutRow:
    """A `for_each` that was opened."""

    run_id: UUID
    step: str
    total: int
    next_index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """An item of a `for_each`."""

    run_id: UUID
    step: str
    index: int
    state: str
    slot: int | None
    due_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt without success; without `delay_s` it was the last one."""

    run_id: UUID
    step: str
    index: int | None
    round: int = 0
    attempt: int = 1
    kind: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    delay_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterRow:
    """A dead letter."""

    id: int
    run_id: UUID
    step: str
    index: int | None
    kind: str
    attempts: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRow:
    """What was still to be done when nothing should have been."""

    run_id: UUID
    segment: int
    slot: int
    state: str
    wait_reason: str
    owner: str
    overdue_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRow:
    """A slot of a limit that somebody has."""

    limit: str
    number: int
    holder: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRow:
    """A run that a step has started."""

    parent_id: UUID
    step: str
    index: int | None
    round: int
    child_id: UUID
    mode: str
    on_parent_end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """What people were asked; `kind` is `approval` or `task`."""

    id: int
    run_id: UUID
    step: str
    index: int | None
    round: int
    state: str
    approvers: int
    expires_at: datetime | None
    kind: str = "approval"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """What one of them answered."""

    request_id: int
    name: str
    choice: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """An audit event of a run."""

    id: int
    run_id: UUID
    kind: str
    at: datetime
    payload: Mapping[str, JsonValue]
    is_genuine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """An entry of the gateway's own ledger."""

    order_id: str
    amount_cents: int


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Rows of the database, ledgers outside, the clients' record, and what was seen during the run.

    `definitions` are the steps of each version. `unnamed_waits` are the runs that at some moment did not say what
    they waited for, out of `looks` at all open runs; at most `peak_connections` were open to the database.
    `capacities` are those of limits. `slots` are those that were held when nothing was under way, and `places` are
    those at gates. `wiped_at` is when the broker had lost all its data, each time.
    """

    book: Book
    workloads: Mapping[str, Workload]
    runs: Mapping[UUID, RunRow]
    definitions: Mapping[int, Mapping[str, StepDefinition]]
    steps: Sequence[StepRow] = ()
    fanouts: Sequence[FanoutRow] = ()
    items: Sequence[ItemRow] = ()
    attempts: Sequence[AttemptRow] = ()
    letters: Sequence[LetterRow] = ()
    activations: Sequence[ActivationRow] = ()
    slots: Sequence[SlotRow] = ()
    places: Sequence[PlaceRow] = ()
    fires: Sequence[FireRow] = ()
    fire_events: Sequence[FireEventRow] = ()
    hooks: Sequence[HookRow] = ()
    wiped_at: Sequence[datetime] = ()
    children: Sequence[ChildRow] = ()
    requests: Sequence[RequestRow] = ()
    answers: Sequence[AnswerRow] = ()
    events: Sequence[EventRow] = ()
    ledger: Sequence[Entry] = ()
    charges: Sequence[Charge] = ()
    business_rows: frozenset[UUID] = frozenset()
    business_actor: str = ""
    capacities: Mapping[str, int] = field(default_factory=dict)
    unnamed_waits: Sequence[tuple[UUID, str]] = ()
    looks: int = 0
    peak_connections: int = 0

    @cached_property
    def steps_of(self) -> Mapping[UUID, Sequence[StepRow]]:
        """This will give the ended steps of each run."""
        return grouped(self.steps, key=lambda row: row.run_id)

    @cached_property
    def events_of(self) -> Mapping[UUID, Sequence[EventRow]]:
        """This will give the events of each run, in their order."""
        return grouped(self.events, key=lambda row: row.run_id)

    @cached_property
    def parents_of(self) -> Mapping[UUID, Sequence[ChildRow]]:
        """This will give by which steps each run was started."""
        return grouped(self.children, key=lambda row: row.child_id)

    @cached_property
    def runs_of(self) -> Mapping[str, Sequence[RunRow]]:
        """This will give the runs of each workflow, the earliest first."""
        return grouped(sorted(self.runs.values(), key=lambda row: row.created_at), key=lambda row: row.workflow_name)

    @cached_property
    def begun_at(self) -> Mapping[UUID, float]:
        """This will give when the first step of each run began, by the outside ledger (seconds since 1970)."""
        found: dict[UUID, float] = {}
        for entry in self.ledger:
            run_id = UUID(entry.run_id)
            if entry.event == "begin":
                found[run_id] = min(entry.at, found.get(run_id, entry.at))
        return found

    @cached_property
    def given(self) -> frozenset[tuple[UUID, str]]:
        """This will give the steps whose results were not made in their run: set by hand, or taken over."""
        by_hand = {(event.run_id, str(event.payload["step"])) for event in self.events if event.kind == "result.set"}
        return frozenset(by_hand | self.carried)

    @cached_property
    def carried(self) -> frozenset[tuple[UUID, str]]:
        """This will give the steps whose results a retry has taken over."""
        return frozenset(
            (event.run_id, str(step))
            for event in self.events
            if event.kind == "steps.carried" and isinstance(steps := event.payload["steps"], list)
            for step in steps
        )

    @cached_property
    def completed_at(self) -> Mapping[str, datetime]:
        """This will give when the effect of an idempotency key was completed, by step or item."""
        single = {
            idempotency_key(run=row.run_id, step=row.step, index=None): row.ended_at
            for row in self.steps
            if row.state == "succeeded" and not self.is_map(row.run_id, row.step)
        }
        items = {
            idempotency_key(run=row.run_id, step=row.step, index=row.index): row.ended_at
            for row in self.items
            if row.state == "succeeded" and row.ended_at is not None
        }
        return single | items

    def definition(self, run_id: UUID, step: str) -> StepDefinition:
        """This will give the definition of a step of a run."""
        return self.definitions[self.runs[run_id].version_id][step]

    def is_map(self, run_id: UUID, step: str) -> bool:
        """This will tell whether a step is a `for_each`."""
        return self.definition(run_id, step).for_each is not None


def grouped(rows: Iterable[_Row], *, key: Callable[[_Row], _Key]) -> defaultdict[_Key, list[_Row]]:
    """This will put rows together that have the same key; a key without rows gives none."""
    groups: defaultdict[_Key, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
