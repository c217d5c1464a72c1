"""Queues and workers as configured: what is declared, what becomes of messages, how a worker ends."""

import os
from collections.abc import Iterator

import pytest
from celery import current_app
from kombu import Connection, Producer, Queue
from kombu.exceptions import OperationalError

from config.broker import DEAD, WORK_EXCHANGE
from config.lanes import LANES
from config.servers.guard import Guard
from config.servers.ports import free_port
from tests.support.processes import Processes, TestedProcess
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until


@pytest.fixture
def link() -> Iterator[Connection]:
    """This will be a connection to the private broker."""
    with Connection(os.environ["BROKER_URL"]) as connection:
        yield connection


@pytest.fixture(scope="module")
def worker(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestedProcess]:
    """This will be a worker of one lane, for all tests; the last one ends it."""
    processes = Processes(directory=tmp_path_factory.mktemp("worker"), guard=guard)
    yield processes.start_worker(lanes=["bulk"])
    processes.end()


def test_worker_declares_every_lane_and_the_dead_queue(worker: TestedProcess, link: Connection) -> None:
    for name in (*LANES, DEAD):
        assert Queue(name)(link.channel()).queue_declare(passive=True) is not None


def test_message_that_is_refused_goes_to_the_dead_queue(worker: TestedProcess, link: Connection) -> None:
    with Producer(link) as producer:  # the worker has declared all lanes, and leaves `io` alone
        producer.publish({"probe": 1}, exchange=WORK_EXCHANGE, routing_key="io", serializer="json")
    lane, dead = (Queue(name)(link.channel()) for name in ("io", DEAD))
    wait_until(lane.get).reject()
    assert wait_until(dead.get).payload == {"probe": 1}


def test_worker_declares_the_queues_again_when_the_broker_lost_its_data(
    worker: TestedProcess, servers: RemoteServers
) -> None:
    servers.rabbitmq.wipe()
    wait_until(_dead_queue_exists)


def test_worker_ends_when_it_is_asked_to_and_has_no_work(worker: TestedProcess) -> None:
    worker.terminate()
    assert worker.wait() == 0


def _dead_queue_exists() -> bool:
    with Connection(os.environ["BROKER_URL"]) as connection:
        try:
            Queue(DEAD)(connection.channel()).queue_declare(passive=True)
        except (*connection.channel_errors, *connection.connection_errors):
            return False
    return True


def test_worker_looks_for_a_lost_broker_every_two_seconds_at_the_latest() -> None:
    """Nobody listens there. A worker that was kept from its broker for long must not sleep on when it is back."""
    pauses: list[float] = []
    lost = current_app.connection_for_read(f"amqp://127.0.0.1:{free_port()}//")

    with pytest.raises(OperationalError):
        lost.ensure_connection(lambda _, pause: pauses.append(pause), 4)

    assert pauses[0] >= 0.5, "it does not hammer either"
    assert pauses[-1] <= 2.0
    assert len(pauses) == 4
