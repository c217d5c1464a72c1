"""What the contract suite must know of an adapter and its peer; a new adapter gets the whole suite by one subclass."""

import abc
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast

from config.servers.guard import Guard
from integrations.contract import Adapter, ConnectionSettings
from tests.support.peers import wires

Made = TypeVar("Made")

SECRET = "pl4nted-secret"
_number = itertools.count(1)


@dataclass(frozen=True)
class Services:
    """What all peers of a session share: a folder, a guard for processes, and servers that are started once."""

    directory: Path
    guard: Guard
    made: dict[str, Any] = field(default_factory=dict)  # Any: each by its maker
    enders: list[Callable[[], None]] = field(default_factory=list)

    def once(self, name: str, make: Callable[[Path], Made], *, end: Callable[[Made], None] | None = None) -> Made:
        """This will make a server at the first call, in a folder of its own, and give the same one afterwards."""
        if name not in self.made:
            folder = self.directory / name
            folder.mkdir(exist_ok=True)
            made = self.made[name] = make(folder)
            if end is not None:
                self.enders.append(lambda: end(made))
        return cast(Made, self.made[name])

    def end(self) -> None:
        """This will end the servers, latest first."""
        while self.enders:
            self.enders.pop()()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One call that must fail in a certain way, and words its message must hold."""

    inputs: Mapping[str, object]
    connection: ConnectionSettings | None
    says: str = ""


class Peer(abc.ABC):
    """An adapter with a real system behind it.

    `changes` tells whether a call has an effect there. `cut_at` are bytes of a request after which the suite cuts the
    connection, when the answer holds `cut_answer` (None: it cannot be cut there, or `cut` does it otherwise). `extra`
    is what must be installed; `has_network` is false for an adapter that opens no socket. `patience_s` is
    the time of calls that are never answered: every adapter waits it out twice.
    """

    id: ClassVar[str]
    adapter: ClassVar[Adapter]
    changes: ClassVar[bool] = False
    cut_at: ClassVar[bytes | None] = None
    cut_answer: ClassVar[bytes] = b""
    extra: ClassVar[str] = ""
    has_network: ClassVar[bool] = True
    patience_s: ClassVar[float] = 0.4

    def __init__(self, services: Services) -> None:
        self.services = services
        self.set_up()

    def set_up(self) -> None:  # noqa: B027  not every peer has something to prepare
        """This will start what the peer needs."""

    @property
    @abc.abstractmethod
    def port(self) -> int:
        """This will be where the real system listens on loopback."""

    @abc.abstractmethod
    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        """This will be a connection that works, to another port or with other changes."""

    @abc.abstractmethod
    def inputs(self) -> Mapping[str, object]:
        """This will be inputs that work, others each time."""

    @abc.abstractmethod
    def check(self, output: Any) -> None:  # Any: JSON
        """This will assert that an output is that of `inputs`."""

    def effects(self) -> int:
        """This will count what calls have changed at the system so far."""
        return 0

    def wrong(self) -> Sequence[Case]:
        """This will list calls that must be refused."""
        return ()

    def wrong_login(self) -> ConnectionSettings | None:
        """This will be a connection whose secret is not right."""
        return None

    @contextmanager
    def cut(self) -> Iterator[Case | None]:
        """This will be a call that goes through and whose connection breaks before its answer is there."""
        if self.cut_at is None:
            yield None
            return
        with wires.cutting(self.port, at=self.cut_at, answer=self.cut_answer) as port:
            yield Case(inputs=self.inputs(), connection=self.connection(port=port))

    def throttled(self) -> Iterator[Case]:
        """This will set the peer to slow down, give a call that it tells so, and set it back."""
        yield from ()

    def too_large(self) -> Case | None:
        """This will be a call whose answer is larger than allowed."""
        return None

    def unique(self) -> str:
        """This will be a word that was never used before."""
        return f"{os.getpid()}x{next(_number)}"


def settings(base_url: str, changes: Mapping[str, object], **standard: object) -> ConnectionSettings:
    """This will make a connection to loopback out of what is standard for its peer and what a test changes."""
    values: dict[str, Any] = {  # Any: keywords
        "name": f"peer-{next(_number)}",
        "allow_private": True,
        "connect_timeout_s": 10.0,
        "read_timeout_s": 30.0,
        **standard,
        **changes,
    }
    return ConnectionSettings(base_url=base_url, **values)
