"""Chooses free loopback ports and waits for them; it never uses the standard ports of the servers."""

import random
import socket

_FIRST, _LAST = (
    20_000,
    32_000,
)  # below the ephemeral range, where outgoing connections take ports at random

_BACKLOG = 1024


def free_port() -> int:
    """This will return a port on 127.0.0.1 that nobody listens on. Raises OSError when none is found."""
    for port in random.sample(range(_FIRST, _LAST), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on 127.0.0.1 among 200 tried between {_FIRST} and {_LAST}")


def listen(*, port: int) -> socket.socket:
    """This will open a socket on a port of 127.0.0.1, 0 for a free one, that processes can be given to serve from.

    Raises OSError when somebody listens there.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port or free_port()))
    listener.listen(_BACKLOG)
    return listener


def answers(*, port: int, say: bytes, expect: bytes) -> bool:
    """This will tell whether the server on `port` answers `say` with something that begins with `expect`."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(say)
            return connection.recv(len(expect) or 1).startswith(expect)
    except OSError:
        return False
