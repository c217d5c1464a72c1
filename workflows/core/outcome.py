"""What one attempt of a step came to; values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.states import FailureKind, WaitReason


@dataclass(frozen=True, slots=True)
class Succeeded:
    """It is done. `text` is the output as JSON, as it is stored; `growth` are further steps that it has returned."""

    output: JsonValue
    text: str
    growth: Mapping[str, JsonObject] | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """Its `if` was false: nothing was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It did not succeed. `requested_delay_s` is the delay the failure asks for; `payload` the evaluated inputs.

    `is_repeatable` False: it may have happened and nothing protects a second attempt, so there is none.
    """

    kind: FailureKind
    message: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    requested_delay_s: float | None = None
    is_repeatable: bool = True
    payload: JsonValue = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """It was not tried, because something it needs has no room now; this costs no attempt.

    `reason` and `object` say what it waits for; after `delay_s` it asks again by itself.
    """

    reason: WaitReason
    object: str
    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated:
    """It is done, but the condition of its `repeat_until` does not hold: another round follows after `delay_s`.

    `number` is the round that has ended, `object` names the next one.
    """

    output: JsonValue
    text: str
    number: int
    object: str
    delay_s: float


NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When something is due that no clock brings about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """It has begun and waits for something outside, without a worker and without a message; no attempt is spent.

    It is performed again, from the start, when it is woken or `until` has come (None: only when it is woken).
    """

    reason: WaitReason
    object: str
    until: datetime | None = None

    @property
    def due_at(self) -> datetime:
        """This will give when the clock wakes it."""
        return NEVER if self.until is None else min(self.until, NEVER)


Outcome: TypeAlias = Succeeded | Skipped | Failed | Postponed | Parked | Repeated

LOST = Failed(
    kind=FailureKind.LOST,
    message="the worker that had it ended without an answer: it may have happened",
)
"""What is known of an attempt whose worker did not come back."""
