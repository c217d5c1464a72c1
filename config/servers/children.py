"""Starts, signals and stops one child process and all its descendants; it never leaves one behind."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.servers.guard import Guard, Ward, find_descendants, is_alive, stop_all
from config.servers.launcher import Launcher


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to end it. Output goes to `log_path`; `env` is the whole environment.

    `pass_fds` are the numbers of open files that it inherits.
    """

    name: str
    args: Sequence[str]
    env: Mapping[str, str]
    log_path: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 10.0
    orphan_signal: signal.Signals = signal.SIGKILL
    cwd: Path | None = None
    pass_fds: tuple[int, ...] = ()
    launcher: Launcher = field(default_factory=Launcher)


class Child:
    """One run of a program, the leader of a session and process group of its own."""

    def __init__(self, *, program: Program, guard: Guard) -> None:
        self.program = program
        self._guard = guard
        with program.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [*program.launcher.prefix, *program.args],
                env=dict(program.env),
                cwd=program.cwd,
                pass_fds=program.pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=program.launcher.user,
                group=program.launcher.group,
                extra_groups=program.launcher.extra_groups,
            )
        self._ward = Ward(target=-self.pid, signal=program.orphan_signal, limit_s=program.stop_limit_s)
        guard.watch(self._ward)

    @property
    def pid(self) -> int:
        """This will be the id of the process and of its group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """This will be the exit code, negative for a signal, None while it runs."""
        return self._process.poll()

    @property
    def is_running(self) -> bool:
        """This will tell whether the process itself (not merely its descendants) runs."""
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """This will send a signal to the process alone."""
        self._process.send_signal(number)

    def send_to_group(self, number: signal.Signals) -> None:
        """This will send a signal to the process and all its descendants."""
        if is_alive(target=-self.pid):
            os.killpg(self.pid, number)

    def stop(self, *, limit_s: float | None = None) -> int:
        """This will end it gently, then by force, and return its exit code; None: as patiently as its program says."""
        if self.is_running:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(self.program.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):  # `kill` ends what is left
                self._process.wait(self.program.stop_limit_s if limit_s is None else limit_s)
        return self.kill()

    def kill(self) -> int:
        """This will end it and its descendants at once, as a crash would, and return its exit code."""
        rest = [-self.pid, *find_descendants(self.pid)]  # PostgreSQL's have groups of their own
        self.send_to_group(signal.SIGKILL)
        returncode = self._process.wait()
        stop_all([Ward(target=target, signal=signal.SIGKILL, limit_s=5.0) for target in rest])
        self._guard.forget(target=-self.pid)
        return returncode
