"""The functions that the measured workflows call; each does as little as a step can."""

import socket
import time

from workflows.registry import function


@function
def noop() -> int:
    """This will do nothing."""
    return 0


@function
def stamp() -> float:
    """This will say when the step was running, by the clock of this machine."""
    return time.time()


@function
def split(count: int) -> list[int]:
    """This will give the items of a fan-out."""
    return list(range(count))


@function
def book(item: int) -> int:
    """This will take one item and give it back."""
    return item


@function
def join() -> int:
    """This will end a fan-out."""
    return 0


@function
def compute(ms: float = 2.0) -> None:
    """This will keep a processor busy for a while."""
    until = time.perf_counter() + ms / 1000
    while time.perf_counter() < until:
        pass


@function
def hold(port: int, seconds: float) -> float:
    """This will hold one of the few connections of a legacy system, and end it so that the system has seen its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
        time.sleep(seconds)
        peer.shutdown(socket.SHUT_WR)
        peer.recv(1)
    return seconds
