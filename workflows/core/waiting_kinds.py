"""The kinds of steps that wait for something outside: what each takes in `with`; it waits for nothing itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from workflows.core import subworkflow
from workflows.core.asking import APPROVAL_SCHEMA, TASK_SCHEMA
from workflows.core.correlation import MAX_KEY, MAX_TYPE
from workflows.core.definition import JsonObject
from workflows.core.templates import Context


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingKind:
    """A kind of step that parks. `schema` is that of its `with`.

    `has_subject`: it keeps rows of its own, which end with its run; see `workflows/operations/subjects.py`. With
    `subject_key` only those steps do whose `with` has that key.
    """

    schema: JsonObject
    has_subject: bool = True
    subject_key: str = ""

    def keeps_rows(self, inputs: JsonObject) -> bool:
        """This will tell whether a step with these inputs keeps rows of its own."""
        return self.has_subject and (not self.subject_key or self.subject_key in inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """One look of a waiting step at what it waits for: whom it serves. The next look is told the same, but for `now`.

    `begun_at` is when the step (the item, with `index`) looked for the first time; `round` counts requeues. `values` is
    what its expressions see, for those that are asked anew at each look.
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
    values: Context = field(default_factory=dict)


_LENGTH: JsonObject = {"type": ["string", "number"], "description": "A length of time, such as 90s or 3d."}
_EVENT: JsonObject = {
    "type": "object",
    "description": "The step goes on when such an event is published, or has been and has not expired.",
    "required": ["type", "key"],
    "additionalProperties": False,
    "properties": {
        "type": {"type": "string", "minLength": 1, "maxLength": MAX_TYPE, "description": "Such as payment.settled."},
        "key": {
            "type": ["string", "integer"],
            "minLength": 1,
            "maxLength": MAX_KEY,
            "description": "What the event is about: its correlationkey, or its subject.",
        },
        "source": {"type": "string", "minLength": 1, "description": "Only events from there; else from anywhere."},
        "match": {"type": "string", "description": "A condition that looks at `event`; others are passed over."},
    },
}

WAITING_KINDS: Mapping[str, WaitingKind] = {
    "wait": WaitingKind(
        schema={
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "dependentSchemas": {"for": {"properties": {"until": False}}},
            "dependentRequired": {"on_timeout": ["event"]},
            "properties": {
                "event": _EVENT,
                "for": _LENGTH,
                "until": {
                    "type": "string",
                    "description": "An instant with its offset, such as 2026-01-31T08:00:00+01:00.",
                },
                "on_timeout": {
                    "enum": ["fail", "continue"],
                    "description": "What becomes of a step whose event has not come by `for` or `until`.",
                },
            },
        },
        subject_key="event",
    ),
    subworkflow.USES: WaitingKind(schema=subworkflow.SCHEMA),
    "approval": WaitingKind(schema=APPROVAL_SCHEMA),
    "task": WaitingKind(schema=TASK_SCHEMA),
}
"""Every kind of step that waits outside, by its `uses`."""
