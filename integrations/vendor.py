"""What the apps of vendors share: an action is typed inputs, requests one after the other, and an output.

It knows no vendor. An app is a folder: its connection and its actions; `integrations/github/` is the one to copy.
An action's *exchange* is a generator that asks and is answered; it does no I/O, so that a worker that waits and an
event loop that does not perform the same action. A *speaker* puts the questions: over HTTP
(`integrations/vendor_http.py`), or through a vendor's own library.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from integrations import endpoints
from integrations.adapters import secrecy
from integrations.contract import CallContext, ConnectionSettings, Health, LookUp
from integrations.endpoints import Deadline
from integrations.errors import Refused, Unavailable, Unknown

Inputs: TypeAlias = Mapping[str, Any]  # Any: JSON, which the action's schema has judged
Exchange: TypeAlias = Generator[Any, Any, Any]  # Any: questions and answers are its speaker's
_SCHEMES: Mapping[str, int] = {"http": 80, "https": 443}


class Speaker(Protocol):
    """Who puts questions to a vendor, through the guard of the connection and within the time of the call.

    Raises as `Adapter.call` does; a question that changes nothing is never Unknown.
    """

    def ask(self, question: Any) -> Any:  # Any: as the exchanges of its app say
        """This will put a question and give its answer."""

    async def aask(self, question: Any) -> Any:  # Any: as the exchanges of its app say
        """This will do what `ask` does and never block the event loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """A vendor: what its connections look like, who speaks for them, and what a test of one asks.

    `trial` ends with a line for a person; the speaker's failures say what is not well.
    """

    kind: str
    connection_schema: Mapping[str, object]
    secret_names: tuple[str, ...]
    speaker: Callable[[ConnectionSettings, Deadline], Speaker]
    trial: Callable[[], Exchange]


@dataclass(frozen=True, kw_only=True)
class Action:
    """One action of an app; it keeps `integrations.contract`: `AsyncAdapter`, `ConnectionKind`, `AsyncLookingUp`.

    `exchange` makes its requests, of which only the last one changes anything. `reads`: none does. `repeats` tells
    whether the vendor takes the same call with the same key for the same. `finding` asks whether a call has happened,
    where `finds` says that the inputs are enough for it.
    """

    name: str
    app: App
    input_schema: Mapping[str, object]
    exchange: Callable[[Inputs, CallContext], Exchange]
    reads: bool = False
    repeats: Callable[[Inputs], bool] = lambda _: False
    finding: Callable[[Inputs, CallContext], Generator[Any, Any, LookUp]] | None = None
    finds: Callable[[Inputs], bool] = lambda _: True
    speaks_http: bool = True

    @property
    def kind(self) -> str:
        """This will name the kind of its connections."""
        return self.app.kind

    @property
    def connection_schema(self) -> Mapping[str, object]:
        """This will give the schema of a connection's options."""
        return self.app.connection_schema

    @property
    def secret_names(self) -> tuple[str, ...]:
        """This will name the secrets of a connection."""
        return self.app.secret_names

    def probe(self, *, connection: ConnectionSettings, timeout_s: float) -> Health:
        """This will ask what changes nothing and every valid secret may ask."""

        def find_out() -> str:
            _check_base_url(connection)
            return str(_answered(self.app.trial(), by=self.app.speaker(connection, Deadline.after(timeout_s))))

        return secrecy.health(connection, find_out=find_out)

    def call(
        self, *, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext
    ) -> object:
        """This will perform one attempt. Raises Refused, Unavailable, Throttled or Unknown."""
        with self._speaking(inputs, connection=connection, context=context) as speaker:
            output = _answered(self.exchange(inputs, context), by=speaker)
        return secrecy.masked_output(output, connection=connection)

    async def acall(
        self, *, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext
    ) -> object:
        """This will do what `call` does on an event loop."""
        with self._speaking(inputs, connection=connection, context=context) as speaker:
            output = await _aanswered(self.exchange(inputs, context), by=speaker)
        return secrecy.masked_output(output, connection=connection)

    def is_repeatable(self, *, inputs: Mapping[str, object]) -> bool:
        """This will tell whether a call of unknown outcome may be made again with the same key."""
        return self.reads or self.repeats(inputs)

    def is_safe(self, *, inputs: Mapping[str, object]) -> bool:  # noqa: ARG002  as the contract says
        """This will tell whether it changes nothing."""
        return self.reads

    def can_look_up(self, *, inputs: Mapping[str, object]) -> bool:
        """This will tell whether it can be found out what came of a call with these inputs."""
        return self.finding is not None and self.finds(inputs)

    def look_up(
        self, *, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext
    ) -> LookUp:
        """This will ask whether the call with this key has happened. Raises as `call` does."""
        with self._speaking(inputs, connection=connection, context=context) as speaker:
            found: LookUp = _answered(self._finding(inputs, context), by=speaker)
        return found

    async def alook_up(
        self, *, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext
    ) -> LookUp:
        """This will do what `look_up` does on an event loop."""
        with self._speaking(inputs, connection=connection, context=context) as speaker:
            found: LookUp = await _aanswered(self._finding(inputs, context), by=speaker)
        return found

    def _finding(self, inputs: Inputs, context: CallContext) -> Exchange:
        if self.finding is None:
            raise Refused(f"{self.name} cannot be looked up")
        return self.finding(inputs, context)

    @contextmanager
    def _speaking(
        self, inputs: Inputs, *, connection: ConnectionSettings | None, context: CallContext
    ) -> Iterator[Speaker]:
        """Failures leave the block without secrets, and say what a second attempt would mean."""
        settings = endpoints.required(connection, uses=self.name)
        _check_base_url(settings)
        with secrecy.masked(settings):
            try:
                yield self.app.speaker(settings, Deadline.after(context.timeout_s))
            except Unknown as error:
                if self.reads:
                    raise Unavailable(error.message, evidence=error.evidence) from error
                error.repeatable = self.is_repeatable(inputs=inputs)
                raise


def schema(properties: Mapping[str, object], *, required: Sequence[str] = (), **more: object) -> Mapping[str, object]:
    """This will be the JSON Schema of an object that holds these properties and no others."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def secret(connection: ConnectionSettings, name: str) -> str:
    """This will give a secret of a connection. Raises Refused when it has none of that name."""
    found = connection.secret_values.get(name, "")
    if not found:
        raise Refused(f"connection {connection.name} needs the secret {name}")
    if not (found.isascii() and found.isprintable()):
        raise Refused(f"the secret {name} of connection {connection.name} holds what no header can")
    return found


def _check_base_url(connection: ConnectionSettings) -> None:
    endpoints.endpoint(connection, schemes=_SCHEMES)


def _answered(exchange: Exchange, *, by: Speaker) -> Any:  # Any: what the exchange returns
    try:
        question = next(exchange)
        while True:
            question = exchange.send(by.ask(question))
    except StopIteration as end:
        return end.value


async def _aanswered(exchange: Exchange, *, by: Speaker) -> Any:  # Any: what the exchange returns
    try:
        question = next(exchange)
        while True:
            question = exchange.send(await by.aask(question))
    except StopIteration as end:
        return end.value
