"""A queue without a leader, as a killed RabbitMQ leaves it: it is named, made anew, and its work goes on."""

from collections.abc import Iterator

import pytest
from amqp.exceptions import AMQPError
from celery import current_app
from kombu import Connection
from kombu.exceptions import KombuError

from automation.doctor import asking, diagnosis
from config import amqp_broker
from tests.flows.driving import call, publish, start, wait_for_end
from tests.support.processes import HASTY, Processes
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until
from workflows.dispatch import canvas, leaders, publisher
from workflows.dispatch.canvas import Parcel
from workflows.dispatch.publisher import Publisher
from workflows.models import Activation
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


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """This will be a dispatcher's connection that waits for confirms as long as for any answer here."""
    monkeypatch.setattr(publisher, "_CONFIRM_S", 3.0)
    with Publisher(current_app) as made:
        yield made


def _standing(queue: str) -> str:
    try:
        return "led" if leaders.has_leader(connect(), queue=queue) else "leaderless"
    except (OSError, KombuError, AMQPError):
        return ""


def leaderless_queues() -> list[str]:
    """This will give the queues of which the doctor says so."""
    return [one.where for one in diagnosis.diagnose(asking.ask()) if one.code == "queue-leaderless"]


def give_up_waiting(monkeypatch: pytest.MonkeyPatch, parcel: Parcel) -> None:
    """This will send as Celery does by itself, once."""
    monkeypatch.setattr(amqp_broker, "_CONFIRM_S", 1.0)
    link = connect()
    try:
        parcel.canvas.apply_async(producer=current_app.amqp.Producer(link), retry=False)
    finally:
        link.collect(socket_timeout=0.1)


@pytest.mark.usefixtures("leaderless")
def test_a_lane_without_a_leader_is_named_and_made_anew_and_its_workers_come_back(
    worker_processes: Processes, sender: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker_processes.start_worker(lanes=[LANE], env=HASTY, wait=False)
    run = start(publish({"only": call("noop", queue=LANE)}))
    row = Activation.objects.get(run_id=run)
    ref = ActivationRef(run, row.segment, row.slot)
    parcel = Parcel(canvas=canvas.wake([(str(run), row.segment, row.slot)], lane=LANE), refs=(ref,), lane=LANE)
    assert leaderless_queues() == [LANE]
    with pytest.raises(Exception, match="timed out"):  # kombu and py-amqp have many kinds
        give_up_waiting(monkeypatch, parcel)

    sent = [sender.send([parcel]) for _ in range(2)]

    assert sent == [[ref], [ref]], "the queue confirms nothing"
    assert _standing(LANE) == "led"
    wait_until(lambda: not sender.send([parcel]), what="the lane takes it")
    assert wait_for_end(run)[0].state == "succeeded"
    assert leaderless_queues() == []
