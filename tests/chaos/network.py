"""The harness's end of the proxy: starts it, tells it how connections fare, and ends it; it carries nothing itself."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Self
from urllib.parse import urlsplit, urlunsplit

from tests.support.environment import ROOT


class Network:
    """Everything between the processes of the platform and what they use; `urls` are where things really are."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._lock = threading.Lock()
        places = {name: urlsplit(url) for name, url in urls.items()}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxy"]
            + [f"{name}={place.hostname}:{place.port}" for name, place in places.items()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            start_new_session=True,
            text=True,
        )
        self._ports: Mapping[str, int] = json.loads(self._answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _pipe(self._process.stdin).close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()

    def url(self, name: str) -> str:
        """This will be the URL that leads through the proxy."""
        place = urlsplit(self._urls[name])
        return urlunsplit(place._replace(netloc=place.netloc.replace(f":{place.port}", f":{self._ports[name]}")))

    def open(self, route: str) -> None:
        """This will let everything through again."""
        self._tell(route)

    def delay(self, route: str, *, delay_s: float) -> None:
        """This will hold up every chunk of data for so long."""
        self._tell(route, delay_s=delay_s)

    def halt(self, route: str) -> None:
        """This will let nothing through; connections stay open."""
        self._tell(route, is_halted=True)

    def refuse(self, route: str) -> None:
        """This will reset the connections that are open, and every new one."""
        self._tell(route, is_refusing=True, drops=True)

    def drop(self, route: str) -> None:
        """This will reset the connections that are open."""
        self._tell(route, drops=True)

    def _tell(
        self,
        route: str,
        *,
        delay_s: float = 0.0,
        is_halted: bool = False,
        is_refusing: bool = False,
        drops: bool = False,
    ) -> None:
        command = {
            "route": route,
            "delay_s": delay_s,
            "is_halted": is_halted,
            "is_refusing": is_refusing,
            "drops": drops,
        }
        with self._lock:
            commands = _pipe(self._process.stdin)
            commands.write(json.dumps(command) + "\n")
            commands.flush()
            self._answer()

    def _answer(self) -> str:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"the proxy has ended (exit code {self._process.wait(timeout=5)})")
        return line


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise ValueError("the process was started without this pipe")
    return pipe
