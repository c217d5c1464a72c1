"""Starts and stops the outside systems of the example; it never leaves one running."""

import http.client
import json
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

STARTUP_LIMIT_S = 60.0
STOP_LIMIT_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideSystem:
    """A running outside system: its name, the loopback port where it answers, and its own ledger."""

    name: str
    port: int
    ledger_path: Path

    @property
    def base_url(self) -> str:
        """This will give the address that a connection to it needs."""
        return f"http://127.0.0.1:{self.port}"

    def report(self) -> dict[str, Any]:  # JSON, as the service describes it
        """This will ask the system for its own account of what it did."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", "/report")
            report: dict[str, Any] = json.load(connection.getresponse())
        return report


class DidNotStart(Exception):
    """An outside system ended, or said nothing in time, before it listened."""

    def __init__(self, *, name: str, exit_code: int | None) -> None:
        ending = f"no answer within {STARTUP_LIMIT_S:.0f} s" if exit_code is None else f"exit code {exit_code}"
        super().__init__(f"{name} did not start ({ending}); run python -m examples.orders.{name} --help")
        self.name = name
        self.exit_code = exit_code


@contextmanager
def running(*, name: str, directory: Path, seed: int = 0, is_well_behaved: bool = False) -> Iterator[OutsideSystem]:
    """This will run `gateway` or `crm` with a ledger in `directory`, and end it on leaving.

    The process is out of reach of the terminal's Ctrl-C, so that it answers until the engine has stopped,
    and ends by itself when this process dies. Raises DidNotStart.
    """
    ledger_path = directory / f"{name}.sqlite3"
    command = [sys.executable, "-m", f"examples.orders.{name}", "--until-stdin-closes"]
    command += ["--ledger", str(ledger_path), "--seed", str(seed)]
    command += ["--well-behaved"] if is_well_behaved else []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield OutsideSystem(name=name, port=_port(process, name=name), ledger_path=ledger_path)
    finally:
        _stop(process)


def _port(process: subprocess.Popen[bytes], *, name: str) -> int:
    stdout = _opened(process.stdout)
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        if not selector.select(timeout=STARTUP_LIMIT_S):
            raise DidNotStart(name=name, exit_code=None)
    line = stdout.readline()
    if not line:  # it has closed its output, so it is about to end
        raise DidNotStart(name=name, exit_code=process.wait(timeout=STOP_LIMIT_S))
    return int(json.loads(line)["port"])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """This will close the process's standard input, which ends it, and kill it when it does not."""
    _opened(process.stdin).close()
    try:
        process.wait(timeout=STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _opened(process.stdout).close()


def _opened(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise ValueError("the process was started without this pipe")
    return pipe
