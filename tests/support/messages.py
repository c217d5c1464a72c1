"""Puts messages of any form into the queues, as nobody of this project would."""

import uuid

from celery import Celery, current_app
from kombu import Exchange, Producer

from config.broker import WORK_EXCHANGE


def send(
    body: bytes,
    *,
    exchange: Exchange = WORK_EXCHANGE,
    content_type: str = "application/json",
    app: Celery | None = None,
    **headers: object,
) -> str:
    """This will put a message into a queue, marked so that its row can be found."""
    mark = uuid.uuid4().hex
    with (app or current_app).connection_for_write() as connection, connection.channel() as channel:
        producer = Producer(channel, exchange=exchange, auto_declare=False)
        producer.publish(
            body,
            routing_key="default",
            content_type=content_type,
            content_encoding="utf-8",
            headers={**headers, "mark": mark},
        )
    return mark
