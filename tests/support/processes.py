"""Real worker and scheduler processes for scenarios; they never outlive their test."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from automation import worker_command
from config.lanes import LANES
from config.servers.children import Child, Program
from config.servers.guard import Guard, find_descendants
from config.servers.ports import answers
from tests.support.environment import ROOT
from tests.support.waiting import wait_until

HASTY = {
    "LEASE_S": "2",
    "DISPATCH_AGAIN_S": "1",
    "DISPATCH_AGAIN_CAP_S": "2",
    "CARRY_GRACE_S": "0.5",
    "SHIFT_S": "0.5",
}
"""An environment in which whatever was lost is missed within two seconds."""

_WORKER_READY = " ready."
_SCHEDULER_READY = "scheduler_started"
_PROBE = b"GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class TestedProcess:
    """One process of the platform, with its log."""

    __test__ = False

    def __init__(self, *, program: Program, guard: Guard) -> None:
        self.name = program.name
        self._log_path = program.log_path
        self._child = Child(program=program, guard=guard)

    @property
    def pid(self) -> int:
        """This will be the id of its main process."""
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """This will tell whether its main process runs."""
        return self._child.is_running

    @property
    def descendants(self) -> list[int]:
        """This will list the ids of the processes below it: the children of a pool."""
        return find_descendants(self.pid)

    @property
    def log(self) -> str:
        """This will be all it has written."""
        return self._log_path.read_text(errors="replace")

    def kill(self) -> None:
        """This will end it and its pool at once, as a crash of its machine would."""
        self._child.kill()

    def kill_parent(self) -> None:
        """This will end its main process alone; its pool must notice by itself."""
        self._child.send(signal.SIGKILL)

    def terminate(self) -> None:
        """This will ask it to end (SIGTERM); the second time it hands its work back."""
        self._child.send(signal.SIGTERM)

    def pause(self) -> None:
        """This will freeze it and its pool."""
        self._child.send_to_group(signal.SIGSTOP)

    def resume(self) -> None:
        """This will thaw it and its pool."""
        self._child.send_to_group(signal.SIGCONT)

    def wait(self, *, limit_s: float = 300.0) -> int:
        """This will return its exit code when it has ended."""
        wait_until(lambda: not self.is_running, limit_s=limit_s, what=f"{self.name} has ended")
        return self._child.kill()

    def wait_for_log(self, text: str, *, limit_s: float = 300.0) -> None:
        """This will return when its log contains `text`, and fail when it ends first."""
        wait_until(
            lambda: text in self.log or not self.is_running,
            limit_s=limit_s,
            what=f"{text!r} in the log of {self.name}",
        )
        assert text in self.log, f"{self.name} ended before it wrote {text!r}:\n{self.log[-4000:]}"


class Processes:
    """Starts processes and ends them all."""

    def __init__(self, *, directory: Path, guard: Guard) -> None:
        self._directory = directory
        self._guard = guard
        self._started: list[TestedProcess] = []

    def start_worker(
        self,
        *,
        lanes: Sequence[str] = LANES,
        concurrency: int = 1,
        env: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> TestedProcess:
        """This will start a worker of `lanes` and return when it consumes (or at once without `wait`)."""
        name = f"worker{len(self._started)}"
        args = worker_command.worker(lanes=lanes, processes=concurrency, name=f"{name}-{os.getpid()}@localhost")
        worker = self._start(name=name, args=args, env=env)
        if wait:
            worker.wait_for_log(_WORKER_READY)
        return worker

    def start_io_worker(self, *, env: Mapping[str, str] | None = None, wait: bool = True) -> TestedProcess:
        """This will start an I/O worker and return when it consumes (or at once without `wait`)."""
        name = f"io{len(self._started)}"
        worker = self._start(name=name, args=worker_command.io_worker(name=f"{name}-{os.getpid()}@localhost"), env=env)
        if wait:
            worker.wait_for_log(_WORKER_READY)
        return worker

    def start_scheduler(self, *, env: Mapping[str, str] | None = None, wait: bool = True) -> TestedProcess:
        """This will start a scheduler and return when it works (or at once without `wait`)."""
        scheduler = self._start(
            name=f"scheduler{len(self._started)}", args=["manage.py", "automation", "scheduler"], env=env
        )
        if wait:
            scheduler.wait_for_log(_SCHEDULER_READY)
        return scheduler

    def start_web(
        self, *, port: int, env: Mapping[str, str] | None = None, drain_s: float = 0.3, wait: bool = True
    ) -> TestedProcess:
        """This will start the site on a port and return when it serves (or at once without `wait`)."""
        web = self._start(
            name=f"web{len(self._started)}",
            args=["-m", "config.web", "--port", str(port), "--drain", str(drain_s)],
            env=env,
        )
        if wait:
            is_ready = partial(answers, port=port, say=_PROBE, expect=b"HTTP/1.1 200")
            wait_until(is_ready, what=f"{web.name} serves")
        return web

    def start_intake(self, *, port: int, env: Mapping[str, str] | None = None, wait: bool = True) -> TestedProcess:
        """This will start an intake on a port and return when it knows its sources (or at once without `wait`)."""
        intake = self._start(
            name=f"intake{len(self._started)}",
            args=["-m", "config.intake", "--port", str(port), "--drain", "0.3"],
            env=env,
        )
        if wait:
            is_ready = partial(answers, port=port, say=_PROBE, expect=b"HTTP/1.1 200")
            wait_until(is_ready, what=f"{intake.name} serves")
        return intake

    def start_receiver(self, *, env: Mapping[str, str] | None = None, wait: bool = True) -> TestedProcess:
        """This will start a receiver and return when it works (or at once without `wait`)."""
        args = ["manage.py", "automation", "receiver"]
        receiver = self._start(name=f"receiver{len(self._started)}", args=args, env=env)
        if wait:
            receiver.wait_for_log("receiver_started")
        return receiver

    def end(self) -> None:
        """This will kill what still runs and print the ends of all logs, which pytest shows on failure."""
        self.kill_all()
        for process in self._started:
            print(f"--- end of the log of {process.name}\n{process.log[-3000:]}")

    def kill_all(self) -> None:
        """This will kill what still runs."""
        for process in self._started:
            process.kill()

    def _start(self, *, name: str, args: Sequence[str], env: Mapping[str, str] | None) -> TestedProcess:
        program = Program(
            name=name,
            args=[sys.executable, *args],
            env={**os.environ, "LOG_LEVEL": "INFO", "PULSE_DIR": str(self._directory), **(env or {})},
            log_path=self._directory / f"{name}.log",
            cwd=ROOT,
        )
        process = TestedProcess(program=program, guard=self._guard)
        self._started.append(process)
        return process
