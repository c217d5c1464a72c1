"""Serves an application over HTTP, and ends politely; it knows no application and loads none itself.

On SIGTERM nothing is cut off. For `drain_s` seconds every request is served as before, while /health/ready says no, so
that a balancer sends nobody else, and each answer carries `Connection: close`, so that clients connect anew, elsewhere.
Then the socket is closed, and what is under way is finished. A second SIGTERM closes it at once, as does SIGINT.

A socket that is handed in by whoever starts the process (`listener`) outlives it: a successor serves from the same one
beside it, and no connection that waits there is lost when this process ends. Without one the process opens its own.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.net import SocketHolder  # type: ignore[attr-defined]  # Granian's own servers take it from there
from granian.server.mp import MPServer

from automation import pulse
from config import draining, env

_BACKLOG = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Serving:
    """What is served where. `threads` perform requests; beyond `most` at once, others are told to come again.

    `listener` is the number of an open file: a socket that listens, in place of `host` and `port`. Lengths in seconds.
    """

    target: str
    kind: str
    interface: Interfaces
    host: str = "127.0.0.1"
    port: int = 8000
    listener: int | None = None
    threads: int = 4
    most: int = 64
    drain_s: float = 5.0
    finish_s: int = 30


def serve(serving: Serving) -> None:
    """This will serve until SIGTERM, and return when what was under way is finished, after `finish_s` at the latest."""
    directory = pulse.directory_of(env.read().pulse_dir)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"{serving.kind}-{os.getpid()}.draining"
    path.unlink(missing_ok=True)
    os.environ[draining.VARIABLE] = str(path)
    try:
        _Server(serving, draining_path=path).serve()
    finally:
        path.unlink(missing_ok=True)


class _Server(MPServer):
    """Granian with a socket that may be handed in, and an end that takes its time."""

    def __init__(self, serving: Serving, *, draining_path: Path) -> None:
        super().__init__(
            serving.target,
            address=serving.host,
            port=serving.port,
            interface=serving.interface,
            blocking_threads=serving.threads if serving.interface is Interfaces.WSGI else None,
            backlog=_BACKLOG,
            backpressure=serving.most,
            websockets=False,
            workers_kill_timeout=serving.finish_s,
            log_level=LogLevels.warning,
        )
        self._serving = serving
        self._draining_path = draining_path
        self._is_draining = False

    def signal_handler_interrupt(self, *args: Any, **_: Any) -> None:  # Any: Granian's
        """This will begin to end; the workers learn it from the file."""
        end: Callable[[], None] = super().signal_handler_interrupt
        number: int | None = args[0] if args else None
        if number != signal.SIGTERM or self._is_draining or self._serving.drain_s == 0:
            end()
            return
        self._is_draining = True
        self._draining_path.touch(mode=0o600)
        timer = threading.Timer(self._serving.drain_s, end)
        timer.daemon = True
        timer.start()

    def _init_shared_socket(self) -> None:
        if self._serving.listener is None:
            super()._init_shared_socket()  # type: ignore[no-untyped-call]  # as Granian left it
            return
        self._ssp = None  # each worker would open a socket by it
        self._sso = None
        # Its types leave out the constructor that Granian itself uses.
        self._shd: Any = SocketHolder(self._serving.listener, False, _BACKLOG)  # type: ignore[call-arg]  # Any: as above
