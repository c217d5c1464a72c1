"""What the engine tells a Python function about the step it serves; values only."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypedDict

from workflows.core.definition import JsonValue


class StepCancelled(Exception):
    """The step stopped because its run is ending: what it has not done by now, nobody waits for."""


class HeartbeatInvalid(ValueError):
    """What a heartbeat carries is no JSON that can be stored, or too much of it."""


def _never() -> bool:
    return False


def _silently(_progress: JsonValue) -> None:
    pass


class Ties(TypedDict, total=False):
    """What connects a step with the worker that performs it, as its `StepContext` has it."""

    last_progress: JsonValue
    asks: Callable[[], bool]
    beats: Callable[[JsonValue], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """The parameter `context` of a registered function.

    `idempotency_key` is the same for every attempt of the step (of the item, in a `for_each`); `attempt`
    counts from 1; `timeout_s` is what the attempt may take at most. `last_progress` is what an earlier attempt said
    last by `heartbeat`, or None. `is_dry_run`: the run may have no effect outside.
    """

    idempotency_key: str
    attempt: int
    run_id: str
    step: str
    correlation_id: str
    timeout_s: float
    last_progress: JsonValue = None
    is_dry_run: bool = False
    asks: Callable[[], bool] = field(default=_never, repr=False, compare=False)
    beats: Callable[[JsonValue], None] = field(default=_silently, repr=False, compare=False)

    def heartbeat(self, progress: JsonValue = None) -> None:
        """This will say that the step is alive, and how far it is; may be called at any rate, from any thread.

        It is written at most once a second. Raises StepCancelled when the step should stop, HeartbeatInvalid when the
        progress is no small JSON.
        """
        self.raise_if_cancelled()
        self.beats(progress)

    def is_cancelled(self) -> bool:
        """This will tell whether the step should stop: its run is being cancelled, or its worker has lost it.

        It costs nothing and is a few seconds behind; what the step still does within the grace counts as done.
        """
        return self.asks()

    def raise_if_cancelled(self) -> None:
        """This will raise StepCancelled when the step should stop."""
        if self.is_cancelled():
            raise StepCancelled("its run is ending")
