"""The rows of a start, as the statement that begins runs takes them; values only."""

from typing import TypedDict

from audit.events import EncodedEvent
from workflows.core.allowances import EntryTimes
from workflows.core.definition import JsonValue


class RunRow(TypedDict):
    """A run to begin. `event` is its audit event, encoded."""

    id: str
    version_id: int
    workflow_name: str
    input: JsonValue
    correlation_id: str
    traceparent: str
    started_by: str
    priority: int
    fairness_key: str
    fairness_weight: float
    deadline_at: str | None
    start_key: str | None
    start_digest: str
    start_at: str | None
    is_dry: bool
    created_at: str
    event: EncodedEvent


class EntryRow(EntryTimes):
    """A first activation of a run. Where it may not wait for ever: how long until it must have begun, and ended."""

    run_id: str
    segment: int
    position: int
    lane: str
