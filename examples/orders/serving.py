"""Runs an outside system of the example as a process; it never outlives the process that started it."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from examples.orders import http_server
from examples.orders.ledger import Ledger
from examples.orders.misbehaviour import Fault, Misbehaviour
from examples.orders.service import Form, Service


def main(*, forms: Sequence[Form], rates: Mapping[Fault, float], description: str) -> None:
    """This will serve `forms` until SIGTERM or SIGINT, and print one line of JSON when it listens."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--ledger", type=Path, required=True, help="SQLite file, made when missing")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="which requests are spoiled")
    parser.add_argument("--well-behaved", action="store_true", help="spoil no request")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the parent process")
    options = parser.parse_args()
    misbehaviour = Misbehaviour(seed=options.seed, rates={} if options.well_behaved else rates)
    ledger = Ledger(path=options.ledger)
    try:
        asyncio.run(
            _serve(
                service=Service(forms=forms, ledger=ledger, misbehaviour=misbehaviour),
                port=options.port,
                is_bound_to_parent=options.until_stdin_closes,
            )
        )
    finally:
        ledger.close()


async def _serve(*, service: Service, port: int, is_bound_to_parent: bool) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await http_server.start(handler=service, port=port)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    if is_bound_to_parent:
        # The kernel closes the pipe however the parent dies, so this holds for SIGKILL too.
        await loop.connect_read_pipe(lambda: _Orphaned(stopped), sys.stdin)
    await stopped.wait()
    server.close()


class _Orphaned(asyncio.Protocol):
    """Sets an event when the other end of the pipe is gone."""

    def __init__(self, stopped: asyncio.Event) -> None:
        self._stopped = stopped

    def connection_lost(self, _exc: Exception | None) -> None:
        """This will end the process's service."""
        self._stopped.set()
