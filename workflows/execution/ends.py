"""How the end of a step or of a run is written down: rows and audit events, built once for every way to commit them."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from audit.events import EncodedEvent, EventKind
from workflows import store
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.outcome import Failed
from workflows.core.progress import Follow
from workflows.core.states import FailureKind, RunState, StepState
from workflows.core.storable import holds_nul, readable
from workflows.execution.cursor import Cursor
from workflows.expressions import ExpressionFailed
from workflows.store import StepRow

_STEP_EVENTS: Mapping[StepState, EventKind] = {
    StepState.SUCCEEDED: EventKind.STEP_SUCCEEDED,
    StepState.FAILED: EventKind.STEP_FAILED,
    StepState.SKIPPED: EventKind.STEP_SKIPPED,
    StepState.UPSTREAM_FAILED: EventKind.STEP_UPSTREAM_FAILED,
    StepState.CANCELLED: EventKind.STEP_CANCELLED,
}
_RUN_EVENTS: Mapping[RunState, EventKind] = {
    RunState.SUCCEEDED: EventKind.RUN_SUCCEEDED,
    RunState.FAILED: EventKind.RUN_FAILED,
}


class RunColumns(TypedDict):
    """The columns that the end of a run writes."""

    state: str
    output: object
    error: object
    ended_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnd:
    """A step that is over: how, what follows from it inside its segment, and further steps that it has returned."""

    cursor: Cursor
    state: StepState
    output: JsonValue
    output_text: str | None
    failure: Failed | None
    follow: Follow
    ended_at: datetime
    has_begun: bool = True
    growth: Mapping[str, JsonObject] | None = None

    @property
    def error(self) -> JsonObject | None:
        """This will say why it failed, in the form a run and a step keep."""
        if self.failure is None:
            return None
        return {
            "kind": self.failure.kind.value,
            "message": self.failure.message,
            "step": self.cursor.step.id,
        }

    @property
    def returns(self) -> bool:
        """This will tell whether its end ends the run."""
        return self.cursor.step.is_return and self.state is StepState.SUCCEEDED

    def remember(self) -> None:
        """This will make the results visible to the expressions of the steps behind."""
        self.cursor.remember(step=self.cursor.step.id, state=self.state, output=self.output)
        for step, state in self.follow.decided:
            self.cursor.remember(step=step, state=state, output=None)

    def step_rows(self) -> Iterator[StepRow]:
        """This will give the row of the step, and of the steps that were decided by its end."""
        cursor, ended_at = self.cursor, self.ended_at.isoformat()
        yield {
            "id": cursor.claim.id,
            "step": cursor.step.id,
            "state": self.state.value,
            "output": None if self.output_text is None else store.fragment(self.output_text),
            "error": self.error,
            "attempts": 0 if self.state is StepState.SKIPPED or not self.has_begun else cursor.attempt,
            "started_at": (cursor.begun_at or cursor.step_started_at).isoformat() if self.has_begun else None,
            "ended_at": ended_at,
        }
        for step, state in self.follow.decided:
            yield decided_row(cursor.claim.id, step=step, state=state, ended_at=ended_at)

    def events(self) -> Iterator[EncodedEvent]:
        """This will state the end of the step, and of the steps that were decided by it."""
        cursor = self.cursor
        payload: dict[str, object] = {"step": cursor.step.id, "attempt": cursor.attempt}
        if self.output_text is not None:
            payload["output_sha256"] = hashlib.sha256(self.output_text.encode()).hexdigest()
        if self.failure is not None:
            payload["failure"] = self.failure.kind.value
        yield cursor.event(_STEP_EVENTS[self.state], at=self.ended_at, **payload)
        for step, state in self.follow.decided:
            yield cursor.event(_STEP_EVENTS[state], at=self.ended_at, step=step)


@dataclass(frozen=True, slots=True)
class RunResult:
    """What the main part of a run came to; `own_error` is set where it failed though no step did."""

    state: RunState
    output: JsonValue
    error: JsonObject | None
    own_error: JsonObject | None


@dataclass(frozen=True, slots=True)
class RunEnd:
    """A run that is over: its columns and its audit event; `own_error` is set where it failed though no step did."""

    columns: RunColumns
    event: EncodedEvent
    own_error: JsonObject | None


def decided_row(activation_id: int, *, step: str, state: StepState, ended_at: str) -> StepRow:
    """This will give the row of a step that ended without running."""
    return {
        "id": activation_id,
        "step": step,
        "state": state.value,
        "output": None,
        "error": None,
        "attempts": 0,
        "started_at": None,
        "ended_at": ended_at,
    }


def decided_event(cursor: Cursor, *, step: str, state: StepState, at: datetime) -> EncodedEvent:
    """This will state that a step ended without running."""
    return cursor.event(_STEP_EVENTS[state], at=at, step=step)


def run_result(cursor: Cursor, *, state: RunState, error: JsonObject | None) -> RunResult:
    """This will evaluate the output of a run that has succeeded; one that cannot be evaluated makes it fail."""
    if state is not RunState.SUCCEEDED:
        return RunResult(state, None, error, None)
    output, problem = _output(cursor)
    if problem is None:
        return RunResult(state, output, error, None)
    own_error: JsonObject = {"kind": FailureKind.REFUSED.value, "message": f"output: {problem}", "step": None}
    return RunResult(RunState.FAILED, None, own_error, own_error)


def run_end(cursor: Cursor, *, at: datetime) -> RunEnd:
    """This will close a run whose steps have all succeeded, or were skipped, in the worker's own hands."""
    result = run_result(cursor, state=RunState.SUCCEEDED, error=None)
    columns: RunColumns = {
        "state": result.state.value,
        "output": result.output,
        "error": result.error,
        "ended_at": at.isoformat(),
    }
    payload: dict[str, object] = {"workflow": cursor.claim.workflow_name}
    if result.output is not None:
        payload["output_sha256"] = hashlib.sha256(store.dump(result.output).encode()).hexdigest()
    if result.error is not None:
        payload["failure"] = result.error["kind"]
        payload["step"] = result.error["step"]
    event = cursor.event(_RUN_EVENTS[result.state], at=at, **payload)
    return RunEnd(columns=columns, event=event, own_error=result.own_error)


def _output(cursor: Cursor) -> tuple[JsonValue, str | None]:
    """The output of a run that has succeeded, or why it has none."""
    if cursor.program.output is None:
        return None, None
    try:
        output = cursor.program.output.evaluate(cursor.context)
    except ExpressionFailed as failure:
        return None, readable(str(failure))
    if holds_nul(store.dump(output).encode()):
        return None, "it holds a NUL character, which PostgreSQL cannot store"
    return output, None
