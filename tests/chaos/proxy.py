"""A TCP proxy in a process of its own that delays, halts and drops connections on command; it reads no protocol.

    python -m tests.chaos.proxy postgres=127.0.0.1:5432 redis=127.0.0.1:6379

It prints one line of JSON with the port of each route. Then it obeys lines of JSON on its standard input, each
answered with one line, and ends when that closes: {"route": "redis", "delay_s": 0.1, "is_halted": false,
"is_refusing": false, "drops": false}.
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

_CHUNK_BYTES = 65_536
_POLL_S = 0.01


@dataclass(slots=True)
class Route:
    """Where connections lead, and how they fare at the moment. `delay_s` holds up each chunk of each direction."""

    host: str
    port: int
    delay_s: float = 0.0
    is_refusing: bool = False
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)
    carrying: int = 0

    def obey(self, command: Mapping[str, object]) -> None:
        """This will take over how connections fare from now on, and drop those that are open if that is asked."""
        self.delay_s = float(str(command["delay_s"]))
        self.is_refusing = bool(command["is_refusing"])
        if command["is_halted"]:
            self.flows.clear()
        else:
            self.flows.set()
        if command["drops"]:
            self.drop()

    def drop(self) -> None:
        """This will reset every open connection."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """This will carry one connection until either end closes it."""
        self.carrying += 1
        try:
            await self._carry(reader, writer)
        finally:
            self.carrying -= 1

    async def end(self) -> None:
        """This will end every connection, even one that stands still."""
        self.flows.set()
        self.delay_s = 0.0
        while self.carrying:
            self.drop()
            await asyncio.sleep(_POLL_S)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, far_writer}
        self.writers |= ends
        try:
            pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((reader, far_writer), (far_reader, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            self.writers -= ends
            for end in ends:
                end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK_BYTES):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self.flows.wait()
                writer.write(chunk)
                await writer.drain()


async def serve(targets: Mapping[str, tuple[str, int]]) -> None:
    """This will carry connections until the standard input closes."""
    routes = {name: Route(host=host, port=port) for name, (host, port) in targets.items()}
    ports: dict[str, int] = {}
    servers: list[asyncio.Server] = []
    for name, route in routes.items():
        route.flows.set()
        server = await asyncio.start_server(route.carry, host="127.0.0.1", port=0, backlog=256)
        servers.append(server)
        ports[name] = server.sockets[0].getsockname()[1]
    print(json.dumps(ports), flush=True)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, commands), sys.stdin)
    while line := await commands.readline():
        command = json.loads(line)
        routes[command["route"]].obey(command)
        print("{}", flush=True)
    for server in servers:
        server.close()
    for route in routes.values():
        await route.end()


def _targets(arguments: Sequence[str]) -> dict[str, tuple[str, int]]:
    targets: dict[str, tuple[str, int]] = {}
    for argument in arguments:
        name, _, address = argument.partition("=")
        host, _, port = address.rpartition(":")
        targets[name] = (host, int(port))
    return targets


if __name__ == "__main__":
    asyncio.run(serve(_targets(sys.argv[1:])))
