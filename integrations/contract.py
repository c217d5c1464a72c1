"""The contract every adapter keeps; it never does I/O itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from integrations.breaker import BreakerPolicy
from integrations.rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How a named outside system is reached, made anew for each call.

    `headers` may hold resolved secrets, `secrets` lists their values so that they can be masked: never log or
    store either.
    """

    name: str
    base_url: str
    allow_private: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    max_response_bytes: int = 1_000_000
    rate: Rate | None = None
    breaker: BreakerPolicy | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What the engine tells an adapter about the step it serves.

    `idempotency_key` is the same for every attempt of the step; `timeout_s` is what is left of the step's
    time.
    """

    idempotency_key: str
    timeout_s: float
    attempt: int
    run_id: str
    step: str
    correlation_id: str


class Adapter(Protocol):
    """One way to act on an outside system; a module with these names is one.

    `call` must return JSON-compatible output or raise one of `Refused`, `Unavailable`, `Throttled`, `Unknown`
    from `integrations.errors`; it must keep `context.timeout_s` and must be safe to repeat with the same
    idempotency key, or say through `is_repeatable` that it is not.
    """

    @property
    def name(self) -> str:
        """This will name the adapter as a definition's `uses` does."""
        ...

    @property
    def input_schema(self) -> Mapping[str, object]:
        """This will give the JSON Schema 2020-12 of `inputs`."""
        ...

    def call(
        self,
        *,
        inputs: Mapping[str, object],
        connection: ConnectionSettings | None,
        context: CallContext,
    ) -> object:
        """This will perform one attempt and return its JSON-compatible output."""
        ...

    def is_repeatable(self, *, inputs: Mapping[str, object]) -> bool:
        """This will tell whether an attempt whose outcome is unknown may be made again with the same key."""
        ...


@runtime_checkable
class AsyncAdapter(Adapter, Protocol):
    """An adapter that can also act on an event loop, where one process carries a thousand waiting calls.

    `acall` keeps the contract of `call`, and must never block the loop.
    """

    async def acall(
        self,
        *,
        inputs: Mapping[str, object],
        connection: ConnectionSettings | None,
        context: CallContext,
    ) -> object:
        """This will perform one attempt and return its JSON-compatible output."""
        ...
