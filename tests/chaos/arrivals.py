"""What starts runs besides clients, as plain rows: due times of schedules, webhooks; places in line at gates."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from workflows.core.definition import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When a schedule is due: first at `starts_at`, then each `period_s` seconds, none after `ends_at`."""

    starts_at: datetime
    period_s: float
    ends_at: datetime

    def all(self) -> Iterator[datetime]:
        """This will give every due time; plain arithmetic, nothing of the platform's."""
        period, due_at = timedelta(seconds=self.period_s), self.starts_at
        while due_at <= self.ends_at:
            yield due_at
            due_at += period


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRow:
    """What became of one due time of the schedule of a workflow."""

    workflow: str
    due_at: datetime
    fire_at: datetime
    recorded_at: datetime
    state: str
    reason: str
    run_id: UUID | None
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FireEventRow:
    """What the trail says about one."""

    workflow: str
    due_at: datetime
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook that was acknowledged: the number it carries, and when its sender learned it."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRow:
    """What the platform knows of a webhook: whether its request has a row, and how many events came of it."""

    number: int
    requests: int
    events: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A start that was answered with a run which other starts may share, by the clients' clock (seconds)."""

    run_id: UUID
    number: int
    value: JsonValue
    sent_at: float
    answered_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceRow:
    """A run's place at a gate of its workflow; without a number it waits."""

    run_id: UUID
    gate: str
    number: int | None
