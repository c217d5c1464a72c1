"""`integrations.endpoints` for an event loop: the same checks, and a socket that never blocks the loop."""

import asyncio
import socket
from ipaddress import ip_address

from integrations import guard_async
from integrations.addresses import Address
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline, Endpoint
from integrations.errors import Unavailable


async def addresses(target: Endpoint, *, connection: ConnectionSettings, timeout_s: float) -> list[Address]:
    """This will find the addresses of an endpoint, all of them allowed, as `endpoints.addresses` does."""
    egress = connection.egress
    found = await guard_async.reachable(host=target.host, port=target.port, egress=egress, timeout_s=timeout_s)
    return [ip_address(address) for address in found]


async def connect(target: Endpoint, *, connection: ConnectionSettings, timeout_s: float) -> socket.socket:
    """This will open a socket that does not block to the first address of an endpoint that answers.

    Raises Refused for an address that is not allowed, Unavailable when none answers in time.
    """
    deadline = Deadline.after(min(timeout_s, connection.connect_timeout_s))
    failure: OSError = TimeoutError("no address answered in time")
    for address in await addresses(target, connection=connection, timeout_s=deadline.left_s):
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        opened = socket.socket(family, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            async with asyncio.timeout(deadline.left_s):
                await asyncio.get_running_loop().sock_connect(opened, (str(address), target.port))
        except OSError as error:  # a TimeoutError is one
            opened.close()
            failure = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise Unavailable(
        f"{target} cannot be reached: {str(failure) or type(failure).__name__}",
        evidence={"error": type(failure).__name__},
    ) from failure
