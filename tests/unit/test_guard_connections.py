"""How the guard resolves, checks and pins, with a resolver that the test controls."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any, Protocol

import httpcore2
import pytest

from integrations import guard, guard_async
from integrations.egress import Egress
from integrations.errors import Refused, Unavailable
from integrations.guard import GuardedBackend

Names = dict[str, list[str]]
Connect = Callable[..., "Stream"]


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


class Stream(Protocol):
    """What the tests want of a connected socket."""

    def get_extra_info(self, info: str) -> Any:  # Any: the signature of httpcore2
        """This will tell what the socket knows about itself."""


@pytest.fixture(params=["blocking", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """This will connect through the guard, in both of its ways."""
    if request.param == "blocking":
        opened: list[httpcore2.NetworkStream] = []

        def connect_blocking(host: str, port: int, *, allow_private: bool) -> Stream:
            opened.append(GuardedBackend(Egress(allow_private=allow_private)).connect_tcp(host, port))
            return opened[-1]

        yield connect_blocking
        for stream in opened:
            stream.close()
        return
    opened_async: list[httpcore2.AsyncNetworkStream] = []

    def connect_async(host: str, port: int, *, allow_private: bool) -> Stream:
        backend = guard_async.GuardedBackend(Egress(allow_private=allow_private))
        opened_async.append(runner.run(backend.connect_tcp(host, port)))
        return opened_async[-1]

    with asyncio.Runner() as runner:
        yield connect_async
        for late_stream in opened_async:
            runner.run(late_stream.aclose())


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """This will be a socket that accepts connections on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_connect_refuses_a_name_with_one_private_address_among_public_ones(connect: Connect, names: Names) -> None:
    names["shop.example"] = ["93.184.216.34", "10.0.0.7"]

    with pytest.raises(Refused) as refusal:
        connect("shop.example", 443, allow_private=False)

    assert refusal.value.evidence == {"host": "shop.example", "address": "10.0.0.7", "reach": "private"}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "::1", "169.254.169.254"])
def test_connect_refuses_an_address_written_as_host(connect: Connect, host: str) -> None:
    with pytest.raises(Refused):
        connect(host, 80, allow_private=False)


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "localhost"])
def test_connect_refuses_every_spelling_of_loopback(connect: Connect, host: str) -> None:
    with pytest.raises(Refused, match=r"127\.0\.0\.1|::1"):
        connect(host, 80, allow_private=False)


def test_connect_refuses_metadata_even_where_private_addresses_are_allowed(connect: Connect, names: Names) -> None:
    names["intern.example"] = ["169.254.169.254"]

    with pytest.raises(Refused, match="no connection may reach it"):
        connect("intern.example", 80, allow_private=True)


def test_connect_goes_to_the_checked_address_when_the_name_changes_it_in_between(
    connect: Connect, names: Names, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    names["shop.example"] = ["127.0.0.1"]
    checked = guard.check

    def rebind(**arguments: object) -> None:
        checked(**arguments)  # type: ignore[arg-type]  # passed on as they came
        names["shop.example"] = ["127.0.0.9"]

    monkeypatch.setattr(guard, "check", rebind)

    stream = connect("shop.example", listener.getsockname()[1], allow_private=True)

    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"


def test_connect_does_not_even_resolve_a_name_that_is_not_allowed(names: Names) -> None:
    egress = Egress(allowed_hosts=("*.shop.example",))

    with pytest.raises(Refused, match="not among the allowed hosts"):
        guard.reachable(host="secret-data.evil.example", port=443, egress=egress, timeout_s=1)
    with pytest.raises(Unavailable, match=r"api\.shop\.example has no address"):
        guard.reachable(host="api.shop.example", port=443, egress=egress, timeout_s=1)

    names["api.shop.example"] = ["93.184.216.34"]
    assert guard.reachable(host="api.shop.example", port=443, egress=egress, timeout_s=1) == ["93.184.216.34"]


def test_connect_needs_every_address_in_an_allowed_network(names: Names) -> None:
    names["db.example"] = ["10.1.0.1", "10.2.0.1"]
    egress = Egress(allow_private=True, allowed_hosts=("10.1.0.0/16",))

    with pytest.raises(Refused, match="not among the allowed hosts"):
        asyncio.run(guard_async.reachable(host="db.example", port=5432, egress=egress, timeout_s=1))

    names["db.example"] = ["10.1.0.1"]
    found = asyncio.run(guard_async.reachable(host="db.example", port=5432, egress=egress, timeout_s=1))
    assert found == ["10.1.0.1"]


def test_an_allowed_name_does_not_open_private_addresses(names: Names) -> None:
    names["api.shop.example"] = ["127.0.0.1"]

    with pytest.raises(Refused, match="not a public address"):
        guard.reachable(host="api.shop.example", port=443, egress=Egress(False, ("api.shop.example",)), timeout_s=1)


def test_connect_tries_the_next_address_when_one_does_not_answer(
    connect: Connect, names: Names, listener: socket.socket
) -> None:
    names["shop.example"] = ["127.0.0.99", "127.0.0.1"]

    stream = connect("shop.example", listener.getsockname()[1], allow_private=True)

    assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"


def test_connect_says_when_a_name_has_no_address(connect: Connect, names: Names) -> None:
    with pytest.raises(httpcore2.ConnectError, match=r"nowhere\.example has no address"):
        connect("nowhere.example", 80, allow_private=False)


def test_resolve_gives_up_in_time_when_the_resolver_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        answer.wait(timeout=120)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    started_at = time.monotonic()

    with pytest.raises(httpcore2.ConnectTimeout):
        guard.resolve(host="slow.example", port=80, timeout_s=0.05)

    answer.set()
    assert time.monotonic() - started_at < 60


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
    stream = GuardedBackend(Egress(allow_private=True)).connect_tcp("127.0.0.1", listener.getsockname()[1])

    with guard.deadline(time.monotonic() - 1), pytest.raises(failure):
        act(stream)

    stream.close()


def test_names_are_asked_for_once_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    answer = threading.Event()

    def look_up(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        answer.wait(timeout=120)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]

    async def resolve_often() -> object:
        resolver = guard_async.Resolver()
        calls = [resolver.resolve(host="shop.example", port=80, timeout_s=5) for _ in range(50)]
        waiting = asyncio.gather(*calls)
        await asyncio.sleep(0)
        answer.set()
        return await waiting

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    assert asyncio.run(resolve_often()) == [[ip_address("93.184.216.34")]] * 50
    assert asked == ["shop.example"]


def test_names_that_are_late_fail_in_time_on_the_event_loop_too(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        answer.wait(timeout=120)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    with pytest.raises(httpcore2.ConnectTimeout):
        asyncio.run(guard_async.Resolver().resolve(host="slow.example", port=80, timeout_s=0.05))

    answer.set()


def test_connect_does_not_fail_for_a_loop_that_is_late_itself(listener: socket.socket) -> None:
    async def connect_beside_others() -> int:
        async def keep_busy() -> None:
            while True:
                time.sleep(0.1)  # a block of the loop, as hundreds of calls that begin at once are
                await asyncio.sleep(0)

        backend = guard_async.GuardedBackend(Egress(allow_private=True))
        others = asyncio.create_task(keep_busy())
        stream = await backend.connect_tcp("127.0.0.1", listener.getsockname()[1], timeout=0.1)
        others.cancel()
        port: int = stream.get_extra_info("server_addr")[1]
        await stream.aclose()
        return port

    assert asyncio.run(connect_beside_others()) == listener.getsockname()[1]


def test_attended_ends_a_wait_that_the_loop_had_time_for() -> None:
    async def wait() -> None:
        async with guard_async.attended(0.05):
            await asyncio.sleep(600)

    with pytest.raises(TimeoutError):
        asyncio.run(wait())


@pytest.mark.parametrize("seconds", [None, 600.0])
def test_attended_lets_go_what_ends_in_time(seconds: float | None) -> None:
    async def wait() -> str:
        async with guard_async.attended(seconds):
            await asyncio.sleep(0)
        return "ended"

    assert asyncio.run(wait()) == "ended"
