"""Peers that misbehave: a port where nobody listens, one that never answers, one that cuts the connection."""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

_READ_BYTES = 65_536


def closed_port() -> int:
    """This will be a port of loopback on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def silent() -> Iterator[int]:
    """This will be the port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield int(server.getsockname()[1])


@contextmanager
def cutting(port: int, *, at: bytes, answer: bytes = b"") -> Iterator[int]:
    """This will be the port of a way to `port` that breaks off after a request which holds `at`.

    The request goes through, and is answered; the answer, which holds `answer`, is lost.
    """
    with _way(port, Scissors(at=at, answer=answer)) as way:
        yield way


@contextmanager
def cutting_after(port: int, *, size_bytes: int) -> Iterator[int]:
    """This will be the port of a way to `port` that breaks off when so much was sent through it."""
    with _way(port, Scissors(size_bytes=size_bytes)) as way:
        yield way


class Scissors(NamedTuple):
    """When a connection is cut: once the peer gives `answer` to a request that holds `at`, or after so many bytes."""

    at: bytes = b""
    answer: bytes = b""
    size_bytes: int | None = None


@contextmanager
def _way(port: int, scissors: Scissors) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stopping, stopper = socket.socketpair()
        thread = threading.Thread(target=_serve, args=(server, stopping, port, scissors))
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            stopper.send(b"x")
            thread.join(timeout=120)
            for owned in (stopping, stopper):
                owned.close()


def _serve(server: socket.socket, stopping: socket.socket, port: int, scissors: Scissors) -> None:
    ways: list[threading.Thread] = []
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(stopping, selectors.EVENT_READ)
        while stopping not in {key.fileobj for key, _ in selector.select()}:
            client, _ = server.accept()
            ways.append(threading.Thread(target=_pass_on, args=(client, port, scissors), daemon=True))
            ways[-1].start()
    for way in ways:
        way.join(timeout=0.2)


def _pass_on(client: socket.socket, port: int, scissors: Scissors) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as peer, selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, peer)
        selector.register(peer, selectors.EVENT_READ, client)
        seen, size, is_asked = b"", 0, False
        with suppress(OSError):
            while True:
                for key, _ in selector.select():
                    here: socket.socket = key.fileobj  # type: ignore[assignment]  # we registered sockets
                    data = here.recv(_READ_BYTES)
                    if not data or (here is peer and is_asked and scissors.answer in data):
                        return
                    if here is client:
                        seen, size = seen[-len(scissors.at) :] + data, size + len(data)
                        is_asked = is_asked or bool(scissors.at and scissors.at in seen)
                    if scissors.size_bytes is not None and size > scissors.size_bytes:
                        return
                    key.data.sendall(data)
