"""Intake: signed webhook POSTs made durable per second by one process, beside a bare application that publishes."""

import asyncio
import hashlib
import hmac
import os
import time
from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from kombu import Connection

from audit.events import Actor, ActorKind
from automation.inbound.sources import SourceWanted, save_source
from automation.intake.envelope import QUEUE
from automation.models import WebhookDelivery
from benchmarks import bare_intake, environment
from benchmarks.http_client import HttpError, parse_head
from benchmarks.processes import Processes
from benchmarks.results import AtLeast, Result, interleave

_REQUESTS = 6_000
_WARM_UP = 500
_CONNECTIONS = 64
_SOURCE = "bench"
_SECRET = "a-secret-of-the-benchmark"
_BODY = b'{"action":"opened","number":1,"text":"' + b"x" * 900 + b'"}'
_VARIABLE = "BENCH_WEBHOOK_SECRET"


def measure(*, rounds: int) -> Sequence[Result]:
    """This will send to ours and to the floor in turn, from one client with many connections."""
    os.environ[_VARIABLE] = _SECRET
    wanted = SourceWanted(name=_SOURCE, preset="github", secrets=(f"env:{_VARIABLE}",), rate_per_s=0)
    save_source(wanted, actor=Actor(kind=ActorKind.SYSTEM, id="bench"), now=timezone.now())
    with Processes() as processes:
        ours = processes.start_asgi("config.asgi:application", env=environment.of_platform())
        floor = processes.start_asgi("benchmarks.bare_intake:application", env=environment.of_floor())
        for port in (ours, floor):
            _rate(port, requests=_WARM_UP)
        found = interleave(ours=lambda: _rate(ours), floor=lambda: _rate(floor), rounds=rounds)
    _check(sent=_even(_WARM_UP) + rounds * _even(_REQUESTS))
    _clear()
    value, below = found.medians
    return [
        Result(
            workload="intake",
            unit="requests/s",
            value=value,
            floor=below,
            target=AtLeast(0.7),
            n=_REQUESTS,
            rounds=rounds,
        )
    ]


def _even(requests: int) -> int:
    """Each connection sends as many as the others."""
    return requests // _CONNECTIONS * _CONNECTIONS


def _rate(port: int, *, requests: int = _REQUESTS) -> float:
    began = time.perf_counter()
    asyncio.run(_send_all(port, each=requests // _CONNECTIONS))
    return _even(requests) / (time.perf_counter() - began)


async def _send_all(port: int, *, each: int) -> None:
    async with asyncio.TaskGroup() as group:
        for sender in range(_CONNECTIONS):
            group.create_task(_send(port, sender=sender, count=each))


async def _send(port: int, *, sender: int, count: int) -> None:
    """One connection: each request waits for its answer."""
    signature = hmac.new(_SECRET.encode(), _BODY, hashlib.sha256).hexdigest()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(count):
        head = (
            f"POST /hooks/bench HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"X-GitHub-Event: pull_request\r\nX-GitHub-Delivery: {sender}-{number}\r\n"
            f"X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {len(_BODY)}\r\n\r\n"
        )
        writer.write(head.encode() + _BODY)
        answer = (await reader.readuntil(b"\r\n\r\n"))[:-4]
        status, length = parse_head(answer)
        if status != 202:
            raise HttpError(f"status {status}, not 202: {answer[:300]!r}")
        await reader.readexactly(length)
    writer.close()


def _check(*, sent: int) -> None:
    """What was acknowledged is a row, or lies in the queue when PostgreSQL was too slow for a moment."""
    kept = WebhookDelivery.objects.filter(source=_SOURCE).count() + _length(QUEUE)
    if kept < sent:
        raise HttpError(f"{sent} requests were acknowledged, and {kept} are kept")


def _length(name: str) -> int:
    with Connection(os.environ["BROKER_URL"]) as link:
        channel: Any = link.channel()  # Any: py-amqp has no types
        return int(channel.queue_declare(name, passive=True).message_count)


def _clear() -> None:
    """What was taken in is nobody's work."""
    WebhookDelivery.objects.filter(source=_SOURCE).delete()
    with Connection(os.environ["BROKER_URL"]) as link:
        channel: Any = link.channel()  # Any: py-amqp has no types
        for name in (QUEUE, bare_intake.QUEUE):
            channel.queue_purge(name)
