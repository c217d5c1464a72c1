"""Rate limits and breakers of connections, on real Redis, between processes, and when Redis is lost."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import orjson
import pytest
from django.db import connection as database_connection
from django.utils import timezone
from pytest_httpserver import HTTPServer

from audit import queries as audit
from benchmarks.counting_peer import CountingPeer
from integrations import gate, http, operations, queries
from integrations.breaker import BreakerPolicy, BreakerState
from integrations.connections import ConnectionSpec
from integrations.contract import ConnectionSettings
from integrations.errors import Postponed, Refused, Throttled, Unavailable, Unknown
from integrations.memory import client, memory
from integrations.rate import Rate
from tests.flows import driving
from tests.support.environment import ROOT
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows import inspection
from workflows.core.states import WaitReason
from workflows.models import Attempt, Run

pytestmark = pytest.mark.usefixtures("database", "_warm")

POLICY = BreakerPolicy(window_s=600, min_calls=4, error_rate=0.5, open_s=600.0, probes=2)
BREAKER = {"breaker_error_rate": 0.5, "breaker_min_calls": 2, "breaker_open_s": 30.0}


@pytest.fixture
def _warm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The memory is older than the guard time of a new one, and was never lost; no connection outlives its test.

    On a busy machine an earlier test may have missed one answer of Redis: then every new bucket counts as drained.
    """
    monkeypatch.setattr(memory, "losses", 0)
    monkeypatch.setattr(memory, "_away_until", None)
    memory.run("rate", keys=["warm:bucket", "warm:places", "rate:born"], args=[1, 0, 0, 1, "warm", 0, 1])
    yield
    http.close_connections()
    queries.forget_connections()


def connection(*, rate: Rate | None = None, breaker: BreakerPolicy | None = None) -> ConnectionSettings:
    """This will be a connection that no other test uses."""
    return ConnectionSettings(name=f"peer-{uuid4().hex[:12]}", base_url="http://peer", rate=rate, breaker=breaker)


def saved(base_url: str, **fields: object) -> str:
    """This will save a connection of that address, and give its name."""
    name = f"peer-{uuid4().hex[:12]}"
    spec = ConnectionSpec(name=name, base_url=base_url, allow_private=True, **fields)  # type: ignore[arg-type]  # any of its fields
    operations.save_connection(spec=spec, actor=driving.TESTER, now=timezone.now(), correlation_id="")
    return name


def fails(peer: ConnectionSettings, outcome: BaseException | None, *, times: int, seconds: float = 0.0) -> None:
    """This will make calls that come to this."""
    for number in range(times):
        gate.leave(gate.enter(peer, caller=str(number)), outcome=outcome, seconds=seconds)


def end_opening(peer: ConnectionSettings) -> None:
    """This will have the time be over for which its breaker holds calls back."""
    name = f"breaker:{peer.name}"
    stored = memory.read(name)
    assert stored is not None, "nothing is remembered of this connection"
    client().set(name, orjson.dumps({**orjson.loads(stored), "until": 0}), keepttl=True)


def test_burst_passes_at_once_and_the_next_waits_for_its_place() -> None:
    peer = connection(rate=Rate(limit=10, period_s=600, burst=3))
    for number in range(3):
        gate.enter(peer, caller=f"c{number}")

    delays = []
    for number in range(3, 6):
        with pytest.raises(Postponed) as caught:
            gate.enter(peer, caller=f"c{number}")
        delays.append(caught.value.delay_s)

    assert (caught.value.reason, caught.value.object_name) == ("rate", peer.name)
    assert [round((later - earlier) / 60) for earlier, later in pairwise(delays)] == [1, 1]


def test_each_key_has_the_whole_limit_for_itself() -> None:
    peer = connection(rate=Rate(limit=1, period_s=60))
    gate.enter(peer, caller="a", rate_key="tenant-1")

    gate.enter(peer, caller="b", rate_key="tenant-2")

    with pytest.raises(Postponed):
        gate.enter(peer, caller="c", rate_key="tenant-2")


def test_short_wait_is_slept() -> None:
    peer = connection(rate=Rate(limit=1000, period_s=10))
    began = time.monotonic()

    for number in range(10):
        gate.enter(peer, caller=str(number))

    assert time.monotonic() - began >= 0.08


def test_breaker_opens_on_errors_holds_calls_back_probes_and_closes() -> None:
    peer = connection(breaker=POLICY)
    fails(peer, Unavailable("away"), times=4)

    with pytest.raises(Postponed) as caught:
        gate.enter(peer, caller="x")
    opened = gate.state_of(peer.name)
    end_opening(peer)
    permits = [gate.enter(peer, caller="y"), gate.enter(peer, caller="z")]
    with pytest.raises(Postponed):
        gate.enter(peer, caller="one too many")
    probing = gate.state_of(peer.name)
    for permit in permits:
        gate.leave(permit, outcome=None, seconds=0.0)

    assert (caught.value.reason, caught.value.object_name) == ("breaker", peer.name)
    assert 0 < caught.value.delay_s <= 600.0 * 1.2
    assert (opened, probing, gate.state_of(peer.name)) == (
        BreakerState.OPEN,
        BreakerState.HALF_OPEN,
        BreakerState.CLOSED,
    )
    told = [event.payload for event in audit.events_for(peer.name)]
    assert told == [
        '{"after":"open","before":"closed"}',
        '{"after":"half_open","before":"open"}',
        '{"after":"closed","before":"half_open"}',
    ]


def test_breaker_opens_on_slow_calls() -> None:
    peer = connection(breaker=replace(POLICY, error_rate=0.0, slow_s=1.0, slow_rate=0.5))

    fails(peer, None, times=4, seconds=2.0)

    assert gate.state_of(peer.name) is BreakerState.OPEN


def test_probe_that_was_not_made_is_given_back() -> None:
    peer = connection(breaker=POLICY, rate=Rate(limit=1, period_s=60))
    gate.leave(gate.enter(peer, caller="first"), outcome=KeyboardInterrupt(), seconds=0.0)
    unlimited = replace(peer, rate=None)
    fails(unlimited, Unknown("?"), times=4)
    end_opening(unlimited)

    for number in range(3):
        with pytest.raises(Postponed) as caught:
            gate.enter(peer, caller=str(number))
        assert caught.value.reason == "rate"

    assert gate.enter(unlimited, caller="probe").generation == 2


@pytest.mark.parametrize("outcome", [None, Refused("no"), Throttled("slow down"), KeyboardInterrupt()])
def test_what_says_nothing_about_the_peers_health_opens_nothing(outcome: BaseException | None) -> None:
    peer = connection(breaker=POLICY)

    fails(peer, outcome, times=10)

    assert gate.state_of(peer.name) is BreakerState.CLOSED


def test_run_waits_for_an_open_breaker_and_spends_no_attempt(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("down", status=503)
    name = saved(httpserver.url_for(""), **BREAKER)
    retry = {"attempts": 9, "first": "0s", "jitter": "none"}
    step = {"uses": "http.request", "connection": name, "with": {"method": "GET", "path": "/x"}, "retry": retry}
    run_id = driving.begin({"call": step})

    driving.work(run_id)

    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))
    assert (wait.reason, wait.object_kind, wait.object_name) == (WaitReason.BREAKER, "connection", name)
    assert Attempt.objects.filter(run_id=run_id).count() == 2
    assert len(httpserver.log) == 2


def test_run_waits_for_its_turn_under_a_rate_limit(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("fine")
    name = saved(httpserver.url_for(""), rate_limit=1, rate_period_s=60.0)
    step = {"uses": "http.request", "connection": name, "with": {"path": "/x", "rate_key": "${{ input.tenant }}"}}
    workflow = driving.publish({"call": step})
    runs = [driving.start(workflow, value={"tenant": tenant}) for tenant in ("a", "a", "b")]

    driving.work(*runs)

    states = [Run.objects.get(id=run_id).state for run_id in runs]
    assert states == ["succeeded", "running", "succeeded"]
    (wait,) = inspection.waits_of(Run.objects.get(id=runs[1]))
    assert (wait.reason, wait.object_name, wait.attempt) == (WaitReason.RATE, name, 1)
    assert not Attempt.objects.filter(run_id=runs[1]).exists()


def test_breaker_lets_everything_pass_while_redis_is_away(servers: RemoteServers) -> None:
    peer = connection(breaker=POLICY)
    fails(peer, Unavailable("away"), times=4)
    servers.redis.stop()

    gate.leave(gate.enter(peer, caller="x"), outcome=Unavailable("away"), seconds=0.0)

    assert gate.state_of(peer.name) is BreakerState.CLOSED


def test_rate_holds_between_four_processes_while_redis_is_killed_and_comes_back(servers: RemoteServers) -> None:
    rate = Rate(limit=20, period_s=1, burst=5)
    name = f"peer-{uuid4().hex[:12]}"
    with CountingPeer() as peer:
        callers = [_start_caller(peer.port, name, rate) for _ in range(4)]
        try:
            wait_until(lambda: len(peer.said) > 20, limit_s=150, what="calls came with Redis")
            servers.redis.kill()
            before = len(peer.said)
            wait_until(lambda: len(peer.said) > before + 20, what="calls came without Redis")
            servers.redis.start()
            before = len(peer.said)
            wait_until(lambda: len(peer.said) > before + 20, what="calls came with Redis again")
        finally:
            for caller in callers:
                caller.kill()
                caller.wait()

    _assert_within(peer.said, rate=rate)
    with database_connection.cursor() as cursor:
        cursor.execute("select count(*) from integrations_ratebucket")
        assert cursor.fetchone() != (0,), "PostgreSQL kept the rate meanwhile"


def _start_caller(port: int, name: str, rate: Rate) -> "subprocess.Popen[bytes]":
    args = [str(port), name, str(rate.limit), str(rate.period_s), str(rate.burst), "8", "400"]
    command = [sys.executable, "-m", "tests.support.rate_caller", *args]
    return subprocess.Popen(command, cwd=ROOT)


def _assert_within(said: Sequence[bytes], *, rate: Rate) -> None:
    """No window holds more calls than its share and the burst, counting those that were surely let through in it."""
    calls = [tuple(map(float, one.split())) for one in said if one]
    for begin, _ in calls:
        throughs = sorted(through for asked, through in calls if asked >= begin)
        for count, end in enumerate(throughs, start=1):
            assert count <= rate.burst + (end - begin) * rate.limit / rate.period_s + 1e-3
