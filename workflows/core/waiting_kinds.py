"""The kinds of steps that wait for something outside: what each takes in `with`; it waits for nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from workflows.core import subworkflow
from workflows.core.definition import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingKind:
    """A kind of step that parks. `schema` is that of its `with`.

    `has_subject`: it keeps rows of its own, which end with its run; see `workflows/operations/subjects.py`.
    """

    schema: JsonObject
    has_subject: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One look of a waiting step at what it waits for: whom it serves. The next look is told the same, but for `now`.

    `begun_at` is when the step (the item, with `index`) looked for the first time; `round` counts requeues.
    """

    run_id: UUID
    step: str
    index: int | None
    round: int
    attempt: int
    workflow_name: str
    correlation_id: str
    inputs: JsonObject
    begun_at: datetime
    now: datetime


_LENGTH: JsonObject = {"type": ["string", "number"], "description": "A length of time, such as 90s or 3d."}

WAITING_KINDS: Mapping[str, WaitingKind] = {
    "wait": WaitingKind(
        schema={
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "for": _LENGTH,
                "until": {
                    "type": "string",
                    "description": "An instant with its offset, such as 2026-01-31T08:00:00+01:00.",
                },
            },
        },
        has_subject=False,
    ),
    subworkflow.USES: WaitingKind(schema=subworkflow.SCHEMA),
}
"""Every kind of step that waits outside, by its `uses`."""
