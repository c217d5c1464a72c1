"""Runs a command beside private PostgreSQL, RabbitMQ and Redis; it leaves no process and no file behind.

    python -m config.private_services [--durable] -- COMMAND...

The command finds them through DATABASE_URL, BROKER_URL and REDIS_URL, and may break them through the control
socket named in PRIVATE_SERVICES. The exit code is the command's.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

from config.servers.control import SOCKET_VARIABLE, Control
from config.servers.errors import ServersError
from config.servers.guard import Ward
from config.servers.private import PrivateServers

_POLL_S = 0.05
_ASKED_TO_END = (signal.SIGTERM, signal.SIGHUP)


def main(argv: Sequence[str]) -> int:
    """This will start the servers, run the command, end the servers, and return the command's exit code."""
    options = _parse(argv)
    for number in (*_ASKED_TO_END, signal.SIGINT):
        signal.signal(number, _exit)
    started_at = time.monotonic()
    try:
        with PrivateServers(durable=options.durable) as servers:
            print(
                f"private services ready in {time.monotonic() - started_at:.1f} s",
                file=sys.stderr,
            )
            return _run(command=options.command, servers=servers)
    except ServersError as error:
        print(f"private services: {error}", file=sys.stderr)
        return 1


def _run(*, command: Sequence[str], servers: PrivateServers) -> int:
    control = Control(servers=servers)
    environment = {
        **os.environ,
        **servers.environment,
        SOCKET_VARIABLE: str(control.path),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a hundred processes would compile the same modules, each anew
    process = subprocess.Popen(command, env=environment)
    servers.guard.watch(Ward(target=process.pid, signal=signal.SIGTERM, limit_s=10.0))
    _pass_on_signals(process)
    try:
        while process.poll() is None:
            control.serve(limit_s=_POLL_S)
    finally:
        control.close()
        servers.guard.forget(target=process.pid)
    return _exit_code(process.returncode)


def _pass_on_signals(process: subprocess.Popen[bytes]) -> None:
    """The command decides when to end. A terminal sends SIGINT to it as well as to us: we only wait."""

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    for number in _ASKED_TO_END:
        signal.signal(number, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _exit(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _exit_code(returncode: int) -> int:
    return returncode if returncode >= 0 else 128 - returncode


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.private_services", description=__doc__)
    parser.add_argument("--durable", action="store_true", help="keep fsync on, for measurements")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
