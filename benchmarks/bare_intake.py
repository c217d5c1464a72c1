"""The floor of the intake row: a bare ASGI application that publishes each body with confirm; it judges nothing.

    granian --interface asgi benchmarks.bare_intake:application

As strong as we know how to make it: one thread publishes whatever has gathered, then waits for all its confirms.
"""

import asyncio
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

from amqp.basic_message import Message
from kombu import Connection

QUEUE = "bare-intake"
_BATCH = 256
_Event = MutableMapping[str, Any]  # Any: ASGI's
_Waiting = tuple[bytes, "asyncio.Future[None]"]
_waiting: queue.SimpleQueue[_Waiting] = queue.SimpleQueue()


async def application(
    scope: Mapping[str, Any], receive: Callable[[], Awaitable[_Event]], send: Callable[[_Event], Awaitable[None]]
) -> None:
    """This will answer 202 when the body is confirmed."""
    if scope["type"] != "http":
        return
    body = b""
    is_more = scope["method"] == "POST"
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
    status = 200
    if scope["method"] == "POST":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        _waiting.put((body, done))
        await done
        status = 202
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def _publish() -> None:
    with Connection(os.environ["BROKER_URL"]) as link:
        channel: Any = link.channel()  # Any: py-amqp has no types
        channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        channel.confirm_select()
        open_tags: set[int] = set()

        def confirm(tag: int, multiple: bool) -> None:
            open_tags.difference_update({one for one in open_tags if one <= tag} if multiple else {tag})

        channel.events["basic_ack"].add(confirm)
        latest = 0
        while True:
            batch = _gather()
            for body, _ in batch:
                latest += 1
                open_tags.add(latest)
                channel._basic_publish(Message(body, delivery_mode=2), exchange="", routing_key=QUEUE)
            while open_tags:
                link.drain_events(timeout=30)
            batch[0][1].get_loop().call_soon_threadsafe(_answer, batch)


def _gather() -> Sequence[_Waiting]:
    batch = [_waiting.get()]
    while len(batch) < _BATCH:
        try:
            batch.append(_waiting.get_nowait())
        except queue.Empty:
            break
    return batch


def _answer(batch: Sequence[_Waiting]) -> None:
    for _, done in batch:
        if not done.done():
            done.set_result(None)


threading.Thread(target=_publish, daemon=True).start()
