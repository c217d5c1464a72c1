"""A queue without a leader, as a killed RabbitMQ leaves it: it is named, made anew, and its work goes on."""

from uuid import UUID

import pytest
from amqp.exceptions import AMQPError
from celery import current_app
from kombu import Connection
from kombu.exceptions import KombuError

from automation.doctor import asking, diagnosis
from tests.flows.driving import call, publish, start
from tests.support.processes import HASTY, Processes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows.dispatch import canvas, leaders
from workflows.dispatch.canvas import Parcel
from workflows.dispatch.publisher import Publisher
from workflows.models import Activation, Run
from workflows.store import ActivationRef

LANE = "bulk"
_TRIES = 8


def connect() -> Connection:
    """This will be a connection of our own: one that has asked a queue without a leader is of no more use."""
    return current_app.connection_for_write()


@pytest.fixture
def leaderless(servers: RemoteServers, database: None) -> None:
    """This will kill RabbitMQ right after the queue was declared: most often that is soon enough."""
    for _ in range(_TRIES):
        with connect() as link, link.channel() as channel:
            queue = current_app.amqp.queues[LANE](channel)
            queue.delete()
            queue.declare()
        servers.rabbitmq.kill()
        servers.rabbitmq.start()
        if wait_until(lambda: _standing(LANE), what="the broker answers") == "leaderless":
            return
    pytest.skip(f"{_TRIES} times this RabbitMQ had written down in time whose queue it is")


def _standing(queue: str) -> str:
    try:
        return "led" if leaders.has_leader(connect(), queue=queue) else "leaderless"
    except (OSError, KombuError, AMQPError):
        return ""


def leaderless_queues() -> list[str]:
    """This will give the queues of which the doctor says so."""
    return [one.where for one in diagnosis.diagnose(asking.ask()) if one.code == "queue-leaderless"]


@pytest.mark.usefixtures("leaderless")
def test_a_lane_without_a_leader_is_named_and_made_anew_and_its_workers_come_back(worker_processes: Processes) -> None:
    """It keeps them from their other lanes as well."""
    worker_processes.start_worker(lanes=["default", LANE], env=HASTY, wait=False)
    run = start(publish({"first": call("noop"), "second": call("noop", needs="first", queue=LANE)}))
    row = Activation.objects.get(run_id=run)
    wake = canvas.wake([(str(run), row.segment, row.slot)], lane="default")
    parcel = Parcel(canvas=wake, refs=(ActivationRef(run, row.segment, row.slot),), lane="default")
    assert LANE in leaderless_queues()

    with Publisher(current_app) as sender:
        wait_until(lambda: not sender.send([parcel]), what="the lane takes it")

        assert _standing(LANE) == "led"
        wait_until(lambda: _has_come(run, sender), what="its worker has come back")
    assert LANE not in leaderless_queues()


def _has_come(run: UUID, sender: Publisher) -> bool:
    """This will wake the run until it has ended."""
    rows = Activation.objects.filter(run_id=run).values_list("segment", "slot", "lane")
    sender.send(
        Parcel(canvas=canvas.wake([(str(run), *place)], lane=lane), refs=(ActivationRef(run, *place),), lane=lane)
        for *place, lane in rows
    )
    return Run.objects.get(id=run).state == "succeeded"
