"""Calls: outbound HTTP calls a second with the ledger, one after the other and 500 at once, beside the same without it,
and one after the other beside the bare HTTP client with a bare ledger.

The peer answers at once: what is seen is the cost of being written down, and nothing of it is hidden by waiting.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID, uuid4

import httpx2
import psycopg
from django.utils import timezone
from psycopg.types.json import Jsonb

from benchmarks import engine, environment
from benchmarks.results import AtLeast, Result
from integrations import http, operations
from integrations.connections import ConnectionSpec
from integrations.contract import CallContext, CallOrigin
from workflows.core.identity import run_id
from workflows.execution.database_threads import DatabaseThreads

_ALONE = 1_000
_AT_ONCE = 500
_MANY = 4_000
_THREADS = 4
_TABLE = """
create schema if not exists bare;
create table if not exists bare.call (
    key uuid primary key, run_id uuid not null, step text not null, outcome text not null, digest bytea not null,
    sent_at timestamptz not null, ended_at timestamptz, output jsonb
)
"""
_BEFORE = "insert into bare.call values (%s, %s, 'charge', 'sending', %s, now())"
_AFTER = "update bare.call set outcome = 'succeeded', ended_at = now(), output = %s where key = %s"
_INPUTS = {"method": "POST", "path": "/charges", "json": {"amount": "12.50"}}


def measure(*, rounds: int) -> Sequence[Result]:
    """This will measure both ways in turn, with and without the ledger, and take the medians."""
    with _peer() as (connection, base_url):
        _one_after_the_other(connection, count=100, is_written=True)
        alone = _medians(
            lambda is_written: _one_after_the_other(connection, count=_ALONE, is_written=is_written), rounds
        )
        bare = _medians(
            lambda is_written: (
                _one_after_the_other(connection, count=_ALONE, is_written=True) if is_written else _bare(base_url)
            ),
            rounds,
        )
        at_once = _medians(lambda is_written: asyncio.run(_all_at_once(connection, is_written=is_written)), rounds)
    return [
        _result("calls", *alone, n=_ALONE, target=0.3, rounds=rounds),
        _result("calls-bare", *bare, n=_ALONE, target=0.5, rounds=rounds),
        _result("calls-io", *at_once, n=_MANY, target=0.6, rounds=rounds),
    ]


def _result(workload: str, value: float, floor: float, *, n: int, target: float, rounds: int) -> Result:
    return Result(
        workload=workload, unit="calls/s", value=value, floor=floor, target=AtLeast(target), n=n, rounds=rounds
    )


def _medians(rate: Callable[[bool], float], rounds: int) -> tuple[float, float]:
    """With and without the ledger, in turn, so that a busy moment meets both."""
    pairs = [(rate(True), rate(False)) for _ in range(rounds)]
    written, bare = (sorted(one) for one in zip(*pairs, strict=True))
    return written[rounds // 2], bare[rounds // 2]


def _one_after_the_other(connection: str, *, count: int, is_written: bool) -> float:
    contexts = [_context(is_written=is_written) for _ in range(count)]
    began = time.perf_counter()
    for context in contexts:
        operations.call(uses="http.request", inputs=_INPUTS, connection=connection, context=context)
    rate = count / (time.perf_counter() - began)
    http.close_connections()
    return rate


def _bare(base_url: str) -> float:
    """The same requests by the client underneath, its connection kept, between the two commits that a ledger needs.

    As ours: what is about to be sent is durable before it is sent, and its end is left to the next durable commit.
    """
    digest = bytes(range(32))
    with httpx2.Client(base_url=base_url) as client, psycopg.connect(os.environ["DATABASE_URL"]) as ledger:
        ledger.execute(_TABLE)
        ledger.commit()
        ledger.autocommit = True
        began = time.perf_counter()
        for _ in range(_ALONE):
            key = uuid4()
            ledger.execute(_BEFORE, [key, key, digest], prepare=True)
            answer = client.request("POST", "/charges", json=_INPUTS["json"], headers={"idempotency-key": str(key)})
            gave = answer.raise_for_status().json()
            with ledger.transaction():
                ledger.execute("set local synchronous_commit = off")
                ledger.execute(_AFTER, [Jsonb(gave), key], prepare=True)
        return _ALONE / (time.perf_counter() - began)


async def _all_at_once(connection: str, *, is_written: bool) -> float:
    database = DatabaseThreads(size=_THREADS)
    asyncio.get_running_loop().set_default_executor(database)
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(context: CallContext) -> None:
        async with places:
            await operations.acall(uses="http.request", inputs=_INPUTS, connection=connection, context=context)

    contexts = [_context(is_written=is_written) for _ in range(_MANY)]
    began = time.perf_counter()
    await asyncio.gather(*(one(context) for context in contexts))
    rate = _MANY / (time.perf_counter() - began)
    await operations.hang_up()
    database.close()
    return rate


def _context(*, is_written: bool) -> CallContext:
    run: UUID = run_id(unix_ms=int(time.time() * 1000), random_bytes=uuid4().bytes[:10])
    return CallContext(
        idempotency_key=str(uuid4()),
        timeout_s=60.0,
        attempt=1,
        run_id=str(run),
        step="charge",
        correlation_id=str(run),
        origin=CallOrigin(workflow="bench-calls") if is_written else None,
    )


@contextmanager
def _peer() -> Iterator[tuple[str, str]]:
    """A connection to a peer in a process of its own, and its address."""
    peer = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.quick_peer"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=environment.ROOT,
    )
    assert peer.stdout is not None
    assert peer.stdin is not None
    try:
        port = int(peer.stdout.readline())
        name = f"bench-peer-{port}"
        base_url = f"http://127.0.0.1:{port}"
        spec = ConnectionSpec(name=name, base_url=base_url, allow_private=True)
        operations.save_connection(spec=spec, actor=engine.ACTOR, now=timezone.now(), correlation_id="bench")
        yield name, base_url
    finally:
        peer.stdin.close()
        peer.wait(timeout=10)
