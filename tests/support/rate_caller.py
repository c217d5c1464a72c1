"""A process that calls a counting peer through the gate of a connection: PORT NAME LIMIT PERIOD BURST CALLERS SECONDS.

Each call says when it asked and when it was let through, so that the count can be judged on a machine that is late.
"""

import socket
import sys
import time

from tests.support.environment import set_up_django

set_up_django()

from integrations import gate  # noqa: E402
from integrations.contract import ConnectionSettings  # noqa: E402
from integrations.errors import Postponed  # noqa: E402
from integrations.rate import Rate  # noqa: E402


def main() -> None:
    """This will keep a number of callers calling, each as soon as the gate lets it."""
    port, name, limit, period_s, burst, callers, seconds = sys.argv[1:]
    rate = Rate(limit=int(limit), period_s=float(period_s), burst=int(burst))
    connection = ConnectionSettings(name=name, base_url="http://peer", rate=rate)
    stop_at = time.monotonic() + float(seconds)
    due = {f"{sys.argv[0]}-{time.time_ns()}-{number}": time.monotonic() for number in range(int(callers))}
    while (now := time.monotonic()) < stop_at:
        caller = min(due, key=lambda one: due[one])
        if due[caller] > now:
            time.sleep(min(due[caller] - now, 0.05))
            continue
        asked_at = time.time()
        try:
            permit = gate.enter(connection, caller=caller)
        except Postponed as pause:
            due[caller] = time.monotonic() + pause.delay_s
            continue
        let_through_at = time.time()
        with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as peer:
            peer.sendall(f"{asked_at!r} {let_through_at!r}".encode())
            peer.shutdown(socket.SHUT_WR)
            peer.recv(1)
        gate.leave(permit, outcome=None, seconds=0.0)
        due[caller] = time.monotonic()


if __name__ == "__main__":
    main()
