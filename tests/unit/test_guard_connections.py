"""How the guard resolves, checks and pins, with a resolver that the test controls."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address

import httpcore2
import pytest

from integrations import guard
from integrations.errors import Refused
from integrations.guard import GuardedBackend

Names = dict[str, list[str]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """This will be a name service: the addresses of each name, to be filled by the test."""
    known: Names = {}
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *flags: int, **named: int) -> object:
        if host.replace(".", "").isdecimal() or ":" in host or host.startswith(("0x", "localhost")):
            return real(host, port, *flags, **named)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in known[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """This will be a socket that accepts connections on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_connect_refuses_a_name_with_one_private_address_among_public_ones(names: Names) -> None:
    names["shop.example"] = ["93.184.216.34", "10.0.0.7"]

    with pytest.raises(Refused) as refusal:
        GuardedBackend(allow_private=False).connect_tcp("shop.example", 443)

    assert refusal.value.evidence == {"host": "shop.example", "address": "10.0.0.7", "reach": "private"}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "::1", "169.254.169.254"])
def test_connect_refuses_an_address_written_as_host(host: str) -> None:
    with pytest.raises(Refused):
        GuardedBackend(allow_private=False).connect_tcp(host, 80)


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost"])
def test_connect_refuses_every_spelling_of_loopback(host: str) -> None:
    with pytest.raises(Refused, match=r"127\.0\.0\.1|::1"):
        GuardedBackend(allow_private=False).connect_tcp(host, 80)


def test_connect_refuses_metadata_even_where_private_addresses_are_allowed(names: Names) -> None:
    names["intern.example"] = ["169.254.169.254"]

    with pytest.raises(Refused, match="no connection may reach it"):
        GuardedBackend(allow_private=True).connect_tcp("intern.example", 80)


def test_connect_goes_to_the_checked_address_when_the_name_changes_it_in_between(
    names: Names, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["shop.example"] = ["127.0.0.1"]
    checked = guard.check

    def rebind(**arguments: object) -> None:
        checked(**arguments)  # type: ignore[arg-type]  # passed on as they came
        names["shop.example"] = ["127.0.0.9"]

    monkeypatch.setattr(guard, "check", rebind)

    stream = GuardedBackend(allow_private=True).connect_tcp("shop.example", listener.getsockname()[1])

    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    stream.close()


def test_connect_tries_the_next_address_when_one_does_not_answer(names: Names, listener: socket.socket) -> None:
    names["shop.example"] = ["127.0.0.99", "127.0.0.1"]

    stream = GuardedBackend(allow_private=True).connect_tcp("shop.example", listener.getsockname()[1])

    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
    stream.close()


def test_connect_says_when_a_name_has_no_address(names: Names) -> None:
    with pytest.raises(httpcore2.ConnectError, match=r"nowhere\.example has no address"):
        GuardedBackend(allow_private=False).connect_tcp("nowhere.example", 80)


def test_resolve_gives_up_in_time_when_the_resolver_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        answer.wait(timeout=10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started_at = time.monotonic()

    with pytest.raises(httpcore2.ConnectTimeout):
        guard.resolve(host="slow.example", port=80, timeout_s=0.05)

    answer.set()
    assert time.monotonic() - started_at < 2


def test_resolve_takes_an_address_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "getaddrinfo")

    assert guard.resolve(host="[2606:4700::1]", port=80, timeout_s=1) == [ip_address("2606:4700::1")]


@pytest.mark.parametrize(
    ("act", "failure"),
    [
        (lambda stream: stream.read(1), httpcore2.ReadTimeout),
        (lambda stream: stream.write(b"x"), httpcore2.WriteTimeout),
    ],
    ids=["read", "write"],
)
def test_stream_refuses_to_go_on_after_the_deadline(
    listener: socket.socket, act: Callable[[httpcore2.NetworkStream], object], failure: type[Exception]
) -> None:
    stream = GuardedBackend(allow_private=True).connect_tcp("127.0.0.1", listener.getsockname()[1])

    with guard.deadline(time.monotonic() - 1), pytest.raises(failure):
        act(stream)

    stream.close()
