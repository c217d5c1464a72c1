"""The queue `dead` is emptied into the database: a message is confirmed only after its row, and stored once."""

import pytest
from celery import current_app

from config.broker import DEAD_EXCHANGE
from tests.support.messages import send
from tests.support.waiting import wait_until
from workflows.dispatch.dead_queue import DeadQueue
from workflows.models import PoisonMessage

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
