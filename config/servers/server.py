"""What all private servers have in common: start, stop, kill, pause, resume; it knows no protocol."""

import abc
import signal
import time
from pathlib import Path

from config.servers.children import Child, Program
from config.servers.errors import ServerFailed
from config.servers.guard import Guard

_POLL_S = 0.02


class Server(abc.ABC):
    """One server with its data under `directory`; the data stay when it stops."""

    name: str
    start_limit_s = 30.0

    def __init__(self, *, directory: Path, guard: Guard) -> None:
        self.directory = directory
        self.guard = guard
        self._child: Child | None = None
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """This will be the URL its clients use, password included: never log it."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """This will create what the server needs before its first start; afterwards it does nothing."""

    @abc.abstractmethod
    def program(self) -> Program:
        """This will say what to run."""

    @abc.abstractmethod
    def is_ready(self) -> bool:
        """This will tell whether the server serves."""

    @property
    def is_running(self) -> bool:
        """This will tell whether the server's process runs."""
        return self._child is not None and self._child.is_running

    def start(self) -> None:
        """This will start it and return when it serves; nothing happens when it runs already."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """This will start it without waiting."""
        if self.is_running:
            return
        self.prepare()
        self._child = Child(program=self.program(), guard=self.guard)

    def wait_until_ready(self) -> None:
        """This will return when it serves. Raises ServerFailed when it ends or takes too long."""
        deadline = time.monotonic() + self.start_limit_s
        while not self.is_ready():
            if not self.is_running:
                raise self.failed("ended while it was starting")
            if time.monotonic() > deadline:
                raise self.failed(f"was not ready after {self.start_limit_s:.0f} s")
            time.sleep(_POLL_S)

    def stop(self) -> None:
        """This will end it cleanly."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def kill(self) -> None:
        """This will end it as a crash would."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def pause(self) -> None:
        """This will freeze it: connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """This will thaw it."""
        self._signal(signal.SIGCONT)

    def failed(self, what: str) -> ServerFailed:
        """This will make the error that says what it did not do."""
        return ServerFailed(server=self.name, what=what, log_path=self.directory / "log")

    def _signal(self, number: signal.Signals) -> None:
        if self._child is not None:
            self._child.send_to_group(number)
