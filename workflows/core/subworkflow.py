"""The step `workflow`: what it asks for, and what it does next, given what has become of the run it started; pure.

The laws it keeps: in one round it starts one run and no other; a run that has succeeded, or still may, is not started
again; and it ends when its run has.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from workflows.core.definition import JsonObject, JsonValue
from workflows.core.outcome import Failed
from workflows.core.states import FailureKind, RunState

USES = "workflow"
MAX_DEPTH = 16
"""How many runs may be nested in each other: more is a workflow that starts itself without an end."""


class Mode(StrEnum):
    """Whether the step waits for the end of the run it starts."""

    WAIT = "wait"
    DETACH = "detach"


class ParentEnd(StrEnum):
    """What becomes of the run when the run of the step ends before it.

    CANCEL: it is cancelled, and the parent ends after it where its step was waiting; REQUEST: it is asked to cancel,
    and the parent does not wait; ABANDON: it goes on.
    """

    CANCEL = "cancel"
    REQUEST = "request"
    ABANDON = "abandon"


SCHEMA: JsonObject = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "description": "The workflow to start."},
        "version": {
            "type": "integer",
            "minimum": 1,
            "description": "This version of it, whatever is in use; without it the one that any start gets.",
        },
        "input": {"description": "The input of its run."},
        "mode": {
            "enum": [mode.value for mode in Mode],
            "description": "`wait` (the standard) for its end, or `detach`: end as soon as it is started.",
        },
        "on_parent_end": {
            "enum": [end.value for end in ParentEnd],
            "description": "What becomes of it when this run ends first: `cancel` (the standard of `wait`), `request`, "
            "`abandon` (the standard of `detach`).",
        },
    },
}
"""What the step takes in `with`."""


class SubworkflowInvalid(ValueError):
    """A request that cannot be understood; the message says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The run a step asks for."""

    name: str
    input: JsonValue
    mode: Mode
    on_parent_end: ParentEnd
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """The latest run that was started for a step, as it is now.

    `is_of_round`: for the round the step is in now; `is_same_request`: for the same workflow, version and input.
    `is_going`: it has not ended and nobody has told it to. `has_letters`: it failed, and what failed can be tried
    again.
    """

    state: RunState
    is_of_round: bool
    is_same_request: bool
    is_going: bool = True
    has_letters: bool = False


class Next(StrEnum):
    """What the step does next: START and REVIVE are followed by another look, the others are its answer."""

    START = "start"
    ADOPT = "adopt"
    REVIVE = "revive"
    WAIT = "wait"
    GIVE = "give"
    FAIL = "fail"


def read(inputs: JsonObject) -> Wanted:
    """This will read what a step asks for. Raises SubworkflowInvalid.

    >>> read({"name": "shipping", "mode": "detach"}).on_parent_end.value
    'abandon'
    """
    name = inputs.get("name")
    if not isinstance(name, str) or not name:
        raise SubworkflowInvalid(f"`name`: {name!r} names no workflow")
    version = inputs.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int) or version < 1):
        raise SubworkflowInvalid(f"`version`: {version!r} is no number of a version")
    mode = _choice(inputs, key="mode", kind=Mode, default=Mode.WAIT)
    default = ParentEnd.CANCEL if mode is Mode.WAIT else ParentEnd.ABANDON
    on_parent_end = _choice(inputs, key="on_parent_end", kind=ParentEnd, default=default)
    return Wanted(name=name, input=inputs.get("input"), mode=mode, on_parent_end=on_parent_end, version=version)


def next_of(child: Child | None, *, mode: Mode) -> Next:
    """This will say what a step does next.

    A step that was brought back goes on with the run it had: what it did is not done again. One that asks for
    something else now, or whose run was cancelled, starts another one.
    """
    if child is None:
        return Next.START
    if not child.is_of_round:
        return _come_back(child)
    if mode is Mode.DETACH:
        return Next.GIVE
    match child.state:
        case RunState.RUNNING:
            return Next.WAIT
        case RunState.SUCCEEDED:
            return Next.GIVE
        case _:
            return Next.FAIL


def is_retry_wanted(parent: RunState, *, is_ending: bool, has_ended: bool, has_letter: bool) -> bool:
    """This will tell whether a step wants the retry of its run to stand for that run.

    It does while it still waits (it has not ended), and when its failure can be brought back (it has a dead letter), as
    long as its own run is at work or has failed. A run that is on its way to another end wants nothing more.

    >>> is_retry_wanted(RunState.RUNNING, is_ending=False, has_ended=False, has_letter=False)
    True
    >>> is_retry_wanted(RunState.FAILED, is_ending=False, has_ended=True, has_letter=False)
    False
    """
    if parent is RunState.RUNNING:
        return not is_ending and (has_letter or not has_ended)
    return parent is RunState.FAILED and has_letter


def failure_of(*, workflow: str, run_id: str, state: RunState, error: JsonObject | None, payload: JsonValue) -> Failed:
    """This will be the failure of a step whose run did not succeed, with its cause.

    There is no other attempt: the steps of that run had theirs, and another run would do again what it has done.
    """
    kind, message = "", ""
    if error is not None:
        kind, message = str(error.get("kind", "")), str(error.get("message", ""))
    known = set(FailureKind)
    return Failed(
        kind=FailureKind(kind) if kind in known else FailureKind.ERROR,
        message=f"run {run_id} of {workflow} {'failed' if state is RunState.FAILED else 'was cancelled'}: {message}",
        evidence={"run": run_id, "workflow": workflow, "state": state.value, "error": error},
        is_repeatable=False,
        payload=payload,
    )


def _come_back(child: Child) -> Next:
    if not child.is_same_request:
        return Next.START
    match child.state:
        case RunState.SUCCEEDED:
            return Next.ADOPT
        case RunState.RUNNING:
            return Next.ADOPT if child.is_going else Next.START
        case RunState.FAILED:
            return Next.REVIVE if child.has_letters else Next.START
        case _:
            return Next.START


_Choice = TypeVar("_Choice", Mode, ParentEnd)


def _choice(inputs: JsonObject, *, key: str, kind: type[_Choice], default: _Choice) -> _Choice:
    value = inputs.get(key)
    if value is None:
        return default
    known = [one.value for one in kind]
    if value not in known:
        raise SubworkflowInvalid(f"`{key}`: {value!r} is none of {', '.join(known)}")
    return kind(value)
