"""Queues without a leader: whether a queue has one, and the queue of a lane made anew. It sends nothing.

RabbitMQ that is killed within a second after a quorum queue was declared leaves it without one for ever: it exists,
confirms nothing and gives nothing, and a worker that wants to read it reads none of its lanes. With a lane's queue only
wake-ups go, which are sent again. Others stay as they are.
"""

import time
from collections.abc import Iterable
from typing import Any

import structlog
from amqp.exceptions import InternalError
from celery import Celery
from kombu import Connection

log = structlog.get_logger(__name__)
_ANSWER_S = 5.0
_DELETE_S = 20.0  # it waits five seconds for a leader before it deletes without (RabbitMQ 3.10.8)
_PAUSE_S = 1.0


def has_leader(link: Connection, *, queue: str) -> bool:
    """This will use up a connection to find out. Raises when the broker is away, or has no such queue.

    One that counts messages has a leader. An empty one is asked for a message, which only a leader answers: what came
    meanwhile goes back as the connection ends.
    """
    channel = _channel(link, read_timeout_s=_ANSWER_S)
    try:
        if channel.queue_declare(queue=queue, passive=True).message_count:
            return True
        try:
            channel.basic_get(queue)
        except (TimeoutError, InternalError):  # it does not answer, or RabbitMQ finds no process of it (541, noproc)
            return False
        return True
    finally:
        link.collect(socket_timeout=0.1)  # a channel that waits for a leader would not be closed for a minute


def mend(app: Celery, *, lanes: Iterable[str]) -> None:
    """This will delete and declare the queues of lanes that have no leader, and had none a second before."""
    for lane in lanes:
        if has_leader(app.connection_for_write(), queue=lane):
            continue
        time.sleep(_PAUSE_S)
        if not has_leader(app.connection_for_write(), queue=lane):
            _make_anew(app, lane=lane)


def _make_anew(app: Celery, *, lane: str) -> None:
    link = app.connection_for_write()
    channel = _channel(link, read_timeout_s=_DELETE_S)
    try:
        channel.queue_delete(lane)
        app.amqp.queues[lane](channel).declare()
    finally:
        link.collect(socket_timeout=0.1)
    log.error("lane_made_anew", lane=lane, reason="its queue had no leader")


def _channel(link: Connection, *, read_timeout_s: float) -> Any:  # Any: py-amqp has no types
    link.transport_options = {**(link.transport_options or {}), "read_timeout": read_timeout_s}
    return link.channel()
