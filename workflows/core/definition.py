"""What a workflow definition means, as frozen values; parsing and checking live in `validation`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from workflows.core.states import FailureKind, JoinRule

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
    sources without the `${{ }}`, or for `for_each` also a literal list.
    """

    id: str
    uses: str
    needs: tuple[str, ...] = ()
    when: JoinRule = JoinRule.ALL_SUCCESS
    condition: str | None = None
    for_each: str | Sequence[JsonValue] | None = None
    parallel: int = 1
    inputs: JsonObject = field(default_factory=dict)
    connection: str | None = None
    queue: str = "default"
    retry: RetryPolicy = RetryPolicy()
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A whole workflow. `steps` keep the order of the document; `input_schema` is JSON Schema 2020-12.

    `fairness_key` is a template over `input` and `run`: whose share of the lanes a run uses.
    """

    name: str
    steps: tuple[StepDefinition, ...]
    description: str = ""
    input_schema: JsonObject | None = None
    output: JsonValue = None
    deadline_s: float | None = None
    fairness_key: JsonValue = None
    fairness_weight: float = 1.0

    def step(self, *, step_id: str) -> StepDefinition:
        """This will find a step by its id. Raises KeyError when there is none."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)
