"""Redis and PostgreSQL that lose data, restart or go away while runs are under way."""

import pytest
from django.db import connections

from tests.flows.driving import begin, call, publish, start, wait_for_end
from tests.flows.ledger import Ledger
from tests.support.processes import Processes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows.models import Item

pytestmark = pytest.mark.usefixtures("crew")


def test_fan_out_and_its_join_end_when_redis_is_flushed_in_the_middle(
    crew: Processes, ledger: Ledger, servers: RemoteServers
) -> None:
    args = {"ledger": str(ledger.path), "seconds": 0.02}
    run_id = begin(
        {
            "map": call("effect", for_each=list(range(100)), parallel=4, args=args),
            "join": call("effect", needs="map", args=args, queue="io"),
        }
    )
    wait_until(lambda: len(ledger.entries("effect")) > 20, what="the items are under way")

    servers.redis.wipe()
    (run,) = wait_for_end(run_id)

    assert run.state == "succeeded"
    assert Item.objects.filter(run_id=run_id, state="succeeded").count() == 100
    assert set(ledger.effects_by_key().values()) == {1}
    assert len(ledger.entries("effect", step="join")) == 1


def test_joins_on_another_lane_happen_once_when_redis_is_flushed_all_the_time(
    crew: Processes, ledger: Ledger, servers: RemoteServers
) -> None:
    args = {"ledger": str(ledger.path), "seconds": 0.02}
    branches = {f"b{number}": call("effect", args=args) for number in range(3)}
    workflow = publish({**branches, "join": call("effect", needs=list(branches), args=args, queue="io")})
    ids = [start(workflow) for _ in range(20)]

    for count in range(5, 60, 10):
        wait_until(lambda count=count: len(ledger.entries("effect")) > count, what="more is done")  # type: ignore[misc]
        servers.redis.wipe()
    runs = wait_for_end(*ids)

    assert {run.state for run in runs} == {"succeeded"}
    assert len(ledger.effects_by_key()) == 80
    assert set(ledger.effects_by_key().values()) == {1}


def test_forks_and_fan_outs_are_carried_out_while_redis_is_away(
    crew: Processes, ledger: Ledger, servers: RemoteServers
) -> None:
    args = {"ledger": str(ledger.path)}
    steps = {
        "a": call("effect", args=args),
        "b": call("effect", args=args),
        "map": call("effect", needs=["a", "b"], for_each=list(range(6)), parallel=3, args=args),
        "end": call("effect", needs="map", args=args, queue="io"),
    }
    servers.redis.kill()

    (run,) = wait_for_end(begin(steps))

    assert run.state == "succeeded"
    assert len(ledger.effects_by_key()) == 9
    assert set(ledger.effects_by_key().values()) == {1}


def test_runs_end_when_the_database_was_restarted_under_them(
    crew: Processes, ledger: Ledger, servers: RemoteServers
) -> None:
    args = {"ledger": str(ledger.path), "seconds": 0.02}
    workflow = publish({"a": call("effect", args=args), "b": call("effect", needs="a", args=args, queue="io")})
    ids = [start(workflow) for _ in range(40)]
    wait_until(lambda: len(ledger.entries("effect")) > 10, what="the runs are under way")

    servers.postgres.kill()
    connections.close_all()
    servers.postgres.start()
    runs = wait_for_end(*ids)

    assert {run.state for run in runs} == {"succeeded"}
    assert len(ledger.effects_by_key()) == 80
    assert sum(count - 1 for count in ledger.effects_by_key().values()) <= 2, "one step of each worker, the same key"
