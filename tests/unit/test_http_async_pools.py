"""Calls on an event loop share connections, however many are under way."""

import asyncio

from integrations import http_async
from integrations.http_exchange import Limits, Outgoing

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_AT_ONCE = 120


class _Peer:
    """Answers when as many ask as are expected."""

    def __init__(self) -> None:
        self.serving: list[asyncio.Task[None] | None] = []
        self._asking = asyncio.Barrier(_AT_ONCE)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await self._asking.wait()
                writer.write(_ANSWER)
        except asyncio.IncompleteReadError:
            writer.close()
            await writer.wait_closed()

    async def ended(self) -> None:
        await asyncio.gather(*(one for one in self.serving if one is not None))


async def _burst(port: int) -> list[int]:
    limits = Limits(timeout_s=60, allow_private=True)
    call = Outgoing(method="GET", url=f"http://127.0.0.1:{port}/", headers={}, content=None, limits=limits)
    return [answer.status for answer in await asyncio.gather(*(http_async.send(call) for _ in range(_AT_ONCE)))]


def test_calls_of_a_second_burst_use_the_connections_of_the_first() -> None:
    async def burst_twice() -> tuple[list[int], int, int]:
        peer = _Peer()
        async with await asyncio.start_server(peer.serve, "127.0.0.1", 0, backlog=_AT_ONCE) as server:
            port = server.sockets[0].getsockname()[1]
            answers = await _burst(port)
            first = len(peer.serving)
            answers += await _burst(port)
            await http_async.close_connections()
            await peer.ended()
            return answers, first, len(peer.serving)

    answers, first, both = asyncio.run(burst_twice())

    assert answers == [200] * 2 * _AT_ONCE
    assert first == both == _AT_ONCE
