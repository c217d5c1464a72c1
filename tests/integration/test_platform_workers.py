"""Queues and workers as configured: what is declared, what becomes of messages, how a worker ends."""

import os
from collections.abc import Iterator

import pytest
from celery import current_app
from kombu import Connection, Producer, Queue
from kombu.exceptions import OperationalError

from config.broker import DEAD, WORK_EXCHANGE
from config.lanes import LANES
from config.servers.ports import free_port
from tests.support.processes import Processes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until


@pytest.fixture
def link() -> Iterator[Connection]:
    """This will be a connection to the private broker."""
    with Connection(os.environ["BROKER_URL"]) as connection:
        yield connection


def test_worker_declares_every_lane_and_the_dead_queue(worker_processes: Processes, link: Connection) -> None:
    worker_processes.start_worker(lanes=["bulk"])
    for name in (*LANES, DEAD):
        assert Queue(name)(link.channel()).queue_declare(passive=True) is not None


def test_worker_declares_the_queues_again_when_the_broker_lost_its_data(
    worker_processes: Processes, servers: RemoteServers
) -> None:
    worker_processes.start_worker(lanes=["bulk"])
    servers.rabbitmq.wipe()
    wait_until(_dead_queue_exists)


def test_message_that_is_refused_goes_to_the_dead_queue(worker_processes: Processes, link: Connection) -> None:
    worker_processes.start_worker(lanes=["bulk"])  # declares all lanes, and leaves `io` alone
    with Producer(link) as producer:
        producer.publish({"probe": 1}, exchange=WORK_EXCHANGE, routing_key="io", serializer="json")
    lane, dead = (Queue(name)(link.channel()) for name in ("io", DEAD))
    wait_until(lane.get).reject()
    assert wait_until(dead.get).payload == {"probe": 1}


def test_worker_ends_when_it_is_asked_to_and_has_no_work(worker_processes: Processes) -> None:
    worker = worker_processes.start_worker()
    worker.terminate()
    worker.wait()


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
