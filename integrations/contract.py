"""The contract every adapter keeps; it never does I/O itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from integrations.breaker import BreakerPolicy
from integrations.egress import Egress
from integrations.rate import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """How a named outside system is reached, made anew for each call.

    `options` are what the adapters of its `kind` want to know beyond an address (a user, a database, a WSDL), as
    their `connection_schema` says. `headers` and `secret_values` may hold resolved secrets, `secrets` lists
    their values so that they can be masked: never log or store any of them.
    """

    name: str
    base_url: str
    kind: str = "http"
    environment: str = "live"
    allow_private: bool = False
    allowed_hosts: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_values: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 30.0
    max_response_bytes: int = 1_000_000
    rate: Rate | None = None
    breaker: BreakerPolicy | None = None

    @property
    def egress(self) -> Egress:
        """This will say where its calls may lead; `integrations.guard` holds every socket to it."""
        return Egress(allow_private=self.allow_private, allowed_hosts=self.allowed_hosts)


LOOK_UP = "look_up"
"""An input by which a step says how its call is looked up; it is no part of what is sent."""


Evaluate: TypeAlias = Callable[[str, Mapping[str, object]], object]
"""Gives the value of a CEL expression over named JSON values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOrigin:
    """Which step of a run makes the call: what the ledger knows it by. `index` and `round` where it has them."""

    workflow: str
    index: int | None = None
    round: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """What the engine tells an adapter about the step it serves.

    `idempotency_key` is the same for every attempt of the step; `timeout_s` is what is left of the step's
    time. A call with an `origin` is written into the ledger; then key and run id are UUIDs. `evaluate` gives the value
    of an input that the adapter's schema marks with `x-cel`, over the values it names; it may raise Refused.
    """

    idempotency_key: str
    timeout_s: float
    attempt: int
    run_id: str
    step: str
    correlation_id: str
    origin: CallOrigin | None = None
    evaluate: Evaluate | None = field(default=None, repr=False, compare=False)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a probe of a connection found: whether it works, and a line for a person that holds no secret."""

    is_well: bool
    detail: str


@runtime_checkable
class ConnectionKind(Protocol):
    """An adapter that says what its connections look like; those of one `kind` share connections, and say the same.

    A kind whose module also has `speaks_http = True` needs a base URL of http or https, and its connections may send
    one secret in a header. For the others the base URL may be empty, or have a scheme of their own.
    """

    @property
    def kind(self) -> str:
        """This will name the kind, such as `sql`: a connection of another kind is refused."""
        ...

    @property
    def connection_schema(self) -> Mapping[str, object]:
        """This will give the JSON Schema 2020-12 of a connection's `options`."""
        ...

    @property
    def secret_names(self) -> tuple[str, ...]:
        """This will name the secrets a connection may refer to, such as `password`."""
        ...

    def probe(self, *, connection: ConnectionSettings, timeout_s: float) -> Health:
        """This will find out, with no effect outside, whether the connection works. It raises nothing."""
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


@dataclass(frozen=True, slots=True)
class Happened:
    """A look-up found the effect; `output` is what the call would have given."""

    output: object


@dataclass(frozen=True, slots=True)
class DidNotHappen:
    """A look-up found that the effect is not there. `detail` says why, for a person."""

    detail: str = ""


@dataclass(frozen=True, slots=True)
class CannotTell:
    """A look-up was answered, but the answer says neither; `detail` says why, for a person."""

    detail: str = ""


LookUp: TypeAlias = Happened | DidNotHappen | CannotTell


@runtime_checkable
class LookingUp(Protocol):
    """An adapter that can find out whether a call of unknown outcome has happened."""

    def can_look_up(self, *, inputs: Mapping[str, object]) -> bool:
        """This will tell whether these inputs say enough for it. Inputs may hold templates not evaluated yet."""
        ...

    def look_up(
        self,
        *,
        inputs: Mapping[str, object],
        connection: ConnectionSettings | None,
        context: CallContext,
    ) -> LookUp:
        """This will ask, with no effect outside, whether the call with this key has happened.

        Raises as `Adapter.call` does when the question cannot be asked now.
        """
        ...


@runtime_checkable
class AsyncLookingUp(LookingUp, Protocol):
    """An adapter that can also look up on an event loop."""

    async def alook_up(
        self,
        *,
        inputs: Mapping[str, object],
        connection: ConnectionSettings | None,
        context: CallContext,
    ) -> LookUp:
        """This will do what `look_up` does and never block the loop."""
        ...


@runtime_checkable
class DescribedCalls(Protocol):
    """An adapter that knows from the peer's own description which of its calls change nothing, where it has that."""

    def is_known_safe(self, *, inputs: Mapping[str, object], connection: ConnectionSettings | None) -> bool:
        """This will tell whether a call is known to change nothing outside. It asks nobody, and raises nothing."""
        ...


@runtime_checkable
class FilesApart(Protocol):
    """An adapter whose files show what was there, such as pictures: the ledger keeps them, and the step's output refers
    to them by call and digest. Files that later steps are to use stand in the output itself.
    """

    @property
    def keeps_files_apart(self) -> bool:
        """This will tell whether they are kept apart."""
        ...


@runtime_checkable
class SafeCalls(Protocol):
    """An adapter some of whose calls change nothing outside: those may be made again at any time."""

    def is_safe(self, *, inputs: Mapping[str, object]) -> bool:
        """This will tell whether a call with these inputs changes nothing outside."""
        ...
