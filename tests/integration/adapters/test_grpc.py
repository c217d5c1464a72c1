"""What is peculiar to `grpc.call`: streams, given types, and what each status means."""

import asyncio
from collections.abc import Iterator

import pytest

from integrations.adapters.grpc import call
from integrations.errors import CallFailed, Refused, Throttled, Unavailable, Unknown
from tests.support.peers.calls import attempt, context
from tests.support.peers.contract import Services
from tests.support.peers.grpc import SERVICE, Call, Shop, descriptors


@pytest.fixture
def peer(services: Services) -> Call:
    return Call(services)


@pytest.fixture
def shop_without_reflection() -> Iterator[Shop]:
    shop = Shop(has_reflection=False)
    yield shop
    shop.stop()


def test_call_returns_the_messages_of_a_stream(peer: Call) -> None:
    inputs = {"service": SERVICE, "method": "Watch", "request": {"word": "a", "pieces": 3}}

    output = attempt(call, inputs=inputs, connection=peer.connection())

    assert [message["pieces"] for message in output["responses"]] == ["0", "1", "2"]
    with pytest.raises(Refused, match="more than 2 messages"):
        attempt(call, inputs={**inputs, "max_messages": 2}, connection=peer.connection())


def test_call_is_known_to_change_nothing_once_the_types_are_there(peer: Call) -> None:
    connection = peer.connection()
    find, book = ({"service": SERVICE, "method": method} for method in ("Find", "Book"))
    before = call.is_known_safe(inputs=find, connection=connection)

    attempt(call, inputs={**find, "request": {"word": "a"}}, connection=connection)

    assert [before, call.is_known_safe(inputs=find, connection=connection)] == [False, True]
    assert not call.is_known_safe(inputs=book, connection=connection)
    assert not call.is_known_safe(inputs={**find, "method": "None"}, connection=connection)


def test_call_takes_given_types_where_a_server_has_no_reflection(peer: Call, shop_without_reflection: Shop) -> None:
    port = shop_without_reflection.port

    with pytest.raises(Refused, match="option descriptors"):
        attempt(call, inputs=peer.inputs(), connection=peer.connection(port=port))
    given = peer.connection(port=port, options={"descriptors": descriptors()})
    peer.check(attempt(call, inputs=peer.inputs(), connection=given))
    with pytest.raises(Refused, match="FileDescriptorSet"):
        attempt(call, inputs=peer.inputs(), connection=peer.connection(options={"descriptors": "AAAA"}))


@pytest.mark.parametrize(
    ("method", "status", "failure", "retry_after_s"),
    [
        ("Book", "RESOURCE_EXHAUSTED", Throttled, 1.5),
        ("Book", "ABORTED", Unavailable, None),
        ("Book", "UNAVAILABLE", Unknown, None),
        ("Find", "UNAVAILABLE", Unavailable, None),
        ("Book", "INTERNAL", Unknown, None),
        ("Book", "FAILED_PRECONDITION", Refused, None),
    ],
)
def test_call_says_what_a_status_means(
    peer: Call, method: str, status: str, failure: type[CallFailed], retry_after_s: float | None
) -> None:
    with pytest.raises(failure) as failed:
        attempt(call, inputs=peer.order(method, wish=status), connection=peer.connection())

    assert type(failed.value) is failure
    assert failed.value.retry_after_s == retry_after_s
    assert failed.value.evidence["status"] == status


def test_call_past_its_deadline_is_unknown(peer: Call) -> None:
    with pytest.raises(Unknown, match="DEADLINE_EXCEEDED"):
        attempt(call, inputs=peer.order(wish="slow", word=peer.unique()), connection=peer.connection(), timeout_s=0.3)


def test_an_event_loop_carries_many_calls_at_once(peer: Call) -> None:
    connection = peer.connection()

    async def many() -> list[object]:
        return await asyncio.gather(
            *(call.acall(inputs=peer.inputs(), connection=connection, context=context(timeout_s=10)) for _ in range(50))
        )

    for output in asyncio.run(many()):
        peer.check(output)
