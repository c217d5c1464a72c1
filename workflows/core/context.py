"""What the engine tells a Python function about the step it serves; values only."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """The parameter `context` of a registered function.

    `idempotency_key` is the same for every attempt of the step (of the item, in a `for_each`); `attempt`
    counts from 1; `timeout_s` is what the attempt may take at most.
    """

    idempotency_key: str
    attempt: int
    run_id: str
    step: str
    correlation_id: str
    timeout_s: float
