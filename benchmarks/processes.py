"""The real processes that are measured, ours and the floor's; none of them outlives the benchmark."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks import bare_celery, environment
from config.lanes import LANES
from config.servers.children import Child, Program
from config.servers.guard import Guard
from config.servers.ports import answers, free_port

CHILDREN = 2
_READY_LIMIT_S = 60.0
_PROBE = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class ProcessFailed(Exception):
    """A process did not come up; the message holds the end of its log."""


class Processes:
    """What runs for one row. Each row starts its own, so that none inherits another one's state."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="bench-")
        self._guard = Guard()
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            child.kill()
        self._guard.close()
        self._directory.cleanup()

    def start_worker(self, *, name: str = "bench", children: int = CHILDREN, prefetch: int | None = None) -> Child:
        """This will start one of our workers, with two children unless more are asked for, on every lane.

        `prefetch` is how many messages it reserves for each child and lane, if other than ours.
        """
        command = ("-m", "config.worker", "-Q", ",".join(LANES), "-n", f"{name}@localhost")
        more = () if prefetch is None else ("--prefetch-multiplier", str(prefetch))
        return self._start(name, [*command, *_pool(children), *more], env=environment.of_platform())

    def start_scheduler(self) -> Child:
        """This will start our scheduler."""
        return self._start("scheduler", ["manage.py", "automation", "scheduler"], env=environment.of_platform())

    def start_web(self) -> tuple[Child, int]:
        """This will start our web server and give its port when it serves."""
        port = free_port()
        command = ["-m", "config.web", "--port", str(port)]
        web = self._start("web", command, env=environment.of_platform())
        self._wait("web", web, port=port)
        return web, port

    def start_asgi(self, application: str, *, env: Mapping[str, str]) -> int:
        """This will serve an ASGI application with the options of the intake, and give its port when it answers."""
        port = free_port()
        command = [
            *("-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--no-ws"),
            *("--workers", "1", "--backlog", "1024", "--backpressure", "2048", "--log-level", "warning", application),
        ]
        self._wait(application, self._start(application, command, env=env), port=port)
        return port

    def start_bare_worker(self, module: str = bare_celery.__name__) -> Child:
        """This will start the bare Celery worker with two children."""
        command = ("-m", "celery", "-A", module, "worker", "-Ofair", "--without-heartbeat", "-n", f"{module}@localhost")
        return self._start(module, [*command, *_pool(CHILDREN)], env=environment.of_floor())

    def _start(self, name: str, args: Sequence[str], *, env: Mapping[str, str]) -> Child:
        program = Program(
            name=name,
            args=[sys.executable, *args],
            env=env,
            log_path=Path(self._directory.name) / f"{name}.log",
            cwd=environment.ROOT,
        )
        child = Child(program=program, guard=self._guard)
        self._children.append(child)
        return child

    def _wait(self, name: str, child: Child, *, port: int) -> None:
        deadline = time.monotonic() + _READY_LIMIT_S
        while not answers(port=port, say=_PROBE, expect=b"HTTP/1.1 200"):
            self._check(name, child, deadline=deadline)
            time.sleep(0.1)

    def _check(self, name: str, child: Child, *, deadline: float) -> None:
        if child.is_running and time.monotonic() < deadline:
            return
        log = child.program.log_path.read_text(errors="replace")
        raise ProcessFailed(f"{name} did not come up; the end of its log:\n{log[-3000:]}")


def _pool(children: int) -> tuple[str, ...]:
    return ("-c", str(children), "-P", "prefork", "-l", "WARNING", "--without-gossip", "--without-mingle")


def migrate() -> None:
    """This will make the tables of the platform in the given database."""
    command = [sys.executable, "manage.py", "migrate", "--noinput", "-v", "0"]
    subprocess.run(command, cwd=environment.ROOT, env=dict(environment.of_platform()), check=True)
