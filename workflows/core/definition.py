"""What a workflow definition means, as frozen values; parsing and checking live in `validation`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from workflows.core.allowances import UNBOUNDED, Allowance
from workflows.core.deadlines import DeadlineRule
from workflows.core.flow_control import FlowControl
from workflows.core.repetition import Repetition
from workflows.core.states import FailureKind, JoinRule, Phase, UndoWhen
from workflows.core.tolerance import Tolerance

JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]


class Jitter(StrEnum):
    """How a retry delay is spread, so that what failed together does not come back together."""

    NONE = "none"
    FULL = "full"
    EQUAL = "equal"
    DECORRELATED = "decorrelated"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and when a failed attempt is repeated.

    `attempts` counts the first one (1: never retry). Delays are in seconds: `first_s`, times `factor` for
    each further attempt, at most `cap_s`; all attempts and delays together end within `budget_s` (None: no
    limit). `on` names the kinds of failure that are retried; REFUSED never is.
    """

    attempts: int = 5
    first_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 60.0
    jitter: Jitter = Jitter.FULL
    budget_s: float | None = 600.0
    on: frozenset[FailureKind] = frozenset(FailureKind) - {FailureKind.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDefinition:
    """One step: what it waits for, whether it runs, what it does.

    `inputs` is the document's `with`, templates unevaluated. `condition` (`if`) and `for_each` are CEL
    sources without the `${{ }}`, or for `for_each` also a literal list. An undo is a step of its own, in its
    own phase: `undoes` names the step whose effects it takes back, `undo_when` says after which of its ends.
    `timeout_s` is the time of one attempt; the other times are in `allowance`.
    """

    id: str
    uses: str
    needs: tuple[str, ...] = ()
    when: JoinRule = JoinRule.ALL_SUCCESS
    condition: str | None = None
    for_each: str | Sequence[JsonValue] | None = None
    parallel: int = 1
    on_failure: Tolerance | None = None
    repeat_until: Repetition | None = None
    inputs: JsonObject = field(default_factory=dict)
    connection: str | None = None
    limits: tuple[str, ...] = ()
    queue: str = "default"
    retry: RetryPolicy = RetryPolicy()
    timeout_s: float = 300.0
    allowance: Allowance = UNBOUNDED
    phase: Phase = Phase.MAIN
    undoes: str | None = None
    undo_when: UndoWhen = UndoWhen.COMPLETED

    @property
    def is_return(self) -> bool:
        """This will tell whether the end of the step ends the run."""
        return self.uses == RETURN


RETURN = "return"
"""What a step uses that ends its run early."""


def undo_id(step_id: str) -> str:
    """This will name the undo of a step, as no step can be named."""
    return f"{step_id}:undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelPolicy:
    """What a cancel does when it does not say: how long running steps may go on, and whether the rest is undone."""

    grace_s: float = 0.0
    is_undoing: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole workflow. `steps` keep the order of the document; `input_schema` is JSON Schema 2020-12.

    `undo_steps` and `finally_steps` come when the run is ending.
    `fairness_key` is a template over `input` and `run`: whose share of the lanes a run uses.
    """

    name: str
    steps: tuple[StepDefinition, ...]
    description: str = ""
    input_schema: JsonObject | None = None
    output: JsonValue = None
    deadline: DeadlineRule | None = None
    fairness_key: JsonValue = None
    fairness_weight: float = 1.0
    flow: FlowControl | None = None
    undo_steps: tuple[StepDefinition, ...] = ()
    finally_steps: tuple[StepDefinition, ...] = ()
    undoes_on_failure: bool = True
    cancel: CancelPolicy = CancelPolicy()

    @property
    def all_steps(self) -> tuple[StepDefinition, ...]:
        """This will give the steps of every phase, in the order of the phases."""
        return (*self.steps, *self.undo_steps, *self.finally_steps)

    def step(self, *, step_id: str) -> StepDefinition:
        """This will find a step by its id. Raises KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)
