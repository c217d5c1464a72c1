"""The queue `dead` is emptied into the database: a message is confirmed only after its row, and stored once."""

import pytest
from celery import Celery, current_app

from config import env
from config.broker import DEAD_EXCHANGE
from config.redis_broker import DELIVERIES, CarefulChannel
from tests.support import redis_broker
from tests.support.messages import send
from tests.support.waiting import wait_until
from workflows.dispatch.dead_queue import DeadQueue
from workflows.models import Incident, PoisonMessage

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _queues() -> None:
    """This will have a broker with the queues of the platform."""
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        for queue in current_app.amqp.queues.values():
            queue(channel).declare()


def test_message_is_confirmed_only_after_its_row(database: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after the death of a scheduler in between: it comes again and is not stored twice."""
    queue = DeadQueue(current_app)
    mark = send(b'{"password": "hush"}', exchange=DEAD_EXCHANGE)
    with monkeypatch.context() as patch:

        def die(*_: object, **__: object) -> None:
            raise ConnectionError("killed between commit and confirm")

        patch.setattr("kombu.message.Message.ack", die)
        wait_until(lambda: (queue.drain(), PoisonMessage.objects.filter(headers__mark=mark).exists())[1])
    assert PoisonMessage.objects.get(headers__mark=mark).excerpt == '{"password":"***"}'

    again = wait_until(queue.drain, what="it has come again")
    queue.close()

    assert again == 1
    assert PoisonMessage.objects.filter(headers__mark=mark).count() == 1


def test_message_whose_consumer_dies_each_time_becomes_a_row_and_an_incident() -> None:
    mark = send(b"[[], {}, {}]", task="shop.deadly")

    deaths, row = _die_with(current_app, mark=mark)

    assert deaths == env.read().delivery_limit + 1, "the broker counts those who are cut off without an answer"
    assert (row.queue, row.reason, row.state) == ("default", "delivery_limit", "open")
    incident = Incident.objects.get(fingerprint=row.fingerprint)
    assert (incident.state, incident.kind) == ("open", "message")


def test_redis_gives_up_a_message_whose_consumer_dies_each_time() -> None:
    app = redis_broker.make_app(delivery_limit=2, broker_redelivery_s=0)
    mark = send(b"[[], {}, {}]", task="shop.deadly", app=app)

    deaths, row = _die_with(app, mark=mark)

    assert deaths == 3
    assert (row.queue, row.reason, row.state, row.headers[DELIVERIES]) == ("default", "delivery_limit", "open", 3)
    assert Incident.objects.filter(fingerprint=row.fingerprint, state="open", kind="message").exists()


def test_redis_keeps_a_rejected_message_until_its_row_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    app = redis_broker.make_app(broker_redelivery_s=900)
    mark = send(b'{"password": "hush"}', app=app)
    with app.connection_for_read() as connection:
        message = app.amqp.queues["default"](connection.default_channel).get(no_ack=False)
        assert message is not None
        message.reject()
    queue = DeadQueue(app)
    with monkeypatch.context() as patch:

        def die(*_: object, **__: object) -> None:
            raise ConnectionError("killed between commit and confirm")

        patch.setattr("kombu.message.Message.ack", die)
        wait_until(lambda: (queue.drain(), PoisonMessage.objects.filter(headers__mark=mark).exists())[1])

    again = wait_until(queue.drain, what="it has come again")
    queue.close()

    row = PoisonMessage.objects.get(headers__mark=mark)
    assert (row.queue, row.reason, row.excerpt) == ("default", "rejected", '{"password":"***"}')
    assert again == 1


def _die_with(app: Celery, *, mark: str) -> tuple[int, PoisonMessage]:
    """Consume and be cut off, again and again, until its row is there; gives how often it came."""
    deaths: list[bool] = []
    dead = DeadQueue(app)

    def die_or_find() -> PoisonMessage | None:
        dead.drain()
        deaths.append(_die(app, mark=mark))
        return PoisonMessage.objects.filter(headers__mark=mark).first()

    row = wait_until(die_or_find, what="the broker gives it up")
    dead.close()
    assert row is not None
    return sum(deaths), row


def _die(app: Celery, *, mark: str) -> bool:
    """Take what is there, and end without a word to the broker, as a process does that is killed."""
    connection = app.connection_for_read()
    channel = connection.default_channel
    if isinstance(channel, CarefulChannel):
        channel.do_restore = False  # what a living process does at its end
        channel.qos.restore_visible(num=10, interval=1)  # what every worker does every two seconds
    message = app.amqp.queues["default"](channel).get(no_ack=False)
    connection.collect(socket_timeout=0.1)
    return message is not None and message.headers.get("mark") == mark
