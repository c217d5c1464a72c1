"""What the engine tells a Python function about the step it serves; values only."""

from collections.abc import Callable
from dataclasses import dataclass, field


class StepCancelled(Exception):
    """The step stopped because its run is ending: what it has not done by now, nobody waits for."""


def _never() -> bool:
    return False


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
    asks: Callable[[], bool] = field(default=_never, repr=False, compare=False)

    def is_cancelled(self) -> bool:
        """This will tell whether the step should stop: its run is being cancelled, or its worker has lost it.

        It costs nothing and is a few seconds behind; what the step still does within the grace counts as done.
        """
        return self.asks()

    def raise_if_cancelled(self) -> None:
        """This will raise StepCancelled when the step should stop."""
        if self.is_cancelled():
            raise StepCancelled("its run is ending")
