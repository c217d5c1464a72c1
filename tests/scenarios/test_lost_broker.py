"""A broker that loses its queues, restarts or goes away: the database knows what is due, and sends it again."""

import os

import pytest
from kombu import Connection, Queue

from config.lanes import LANES
from tests.flows.driving import call, publish, start, wait_for_end
from tests.flows.ledger import Ledger
from tests.support.processes import Processes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows.models import Run

pytestmark = pytest.mark.usefixtures("crew")


@pytest.fixture
def workflow(ledger: Ledger) -> str:
    """This will be a workflow of four steps on three lanes, each with an effect outside."""
    args = {"ledger": str(ledger.path), "seconds": 0.02}
    return publish(
        {
            "a": call("effect", args=args),
            "b": call("effect", needs="a", args=args, queue="io"),
            "c": call("effect", needs="a", args=args),
            "d": call("effect", needs=["b", "c"], args=args, queue="bulk"),
        }
    )


def all_done_once(ledger: Ledger, *, runs: list[Run]) -> None:
    """Every step of every run has had its effect once."""
    assert {run.state for run in runs} == {"succeeded"}
    effects = ledger.effects_by_key()
    assert len(effects) == 4 * len(runs)
    assert set(effects.values()) == {1}


def test_runs_end_when_the_queues_are_deleted_under_them(crew: Processes, workflow: str, ledger: Ledger) -> None:
    ids = [start(workflow) for _ in range(40)]
    wait_until(lambda: len(ledger.entries("effect")) > 10, what="the runs are under way")

    with Connection(os.environ["BROKER_URL"]) as connection:
        for lane in LANES:
            Queue(lane)(connection.default_channel).delete()

    all_done_once(ledger, runs=wait_for_end(*ids))


def test_runs_end_when_the_broker_loses_all_its_data(
    crew: Processes, workflow: str, ledger: Ledger, servers: RemoteServers
) -> None:
    ids = [start(workflow) for _ in range(40)]
    wait_until(lambda: len(ledger.entries("effect")) > 10, what="the runs are under way")

    servers.rabbitmq.wipe()

    all_done_once(ledger, runs=wait_for_end(*ids))


def test_runs_start_and_end_when_the_broker_was_away(
    crew: Processes, workflow: str, ledger: Ledger, servers: RemoteServers
) -> None:
    servers.rabbitmq.stop()
    ids = [start(workflow) for _ in range(5)]
    assert ledger.entries() == []

    servers.rabbitmq.start()

    all_done_once(ledger, runs=wait_for_end(*ids))
