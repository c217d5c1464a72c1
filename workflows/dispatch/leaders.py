"""Queues without a leader: whether a queue has one, and the queue of a lane made anew. It sends nothing.

RabbitMQ that is killed within a second after a quorum queue was declared leaves it without one for ever: it exists,
confirms nothing and gives nothing. With a lane's queue only wake-ups go, which are sent again. Others stay as they are.
"""

from collections.abc import Collection, Sequence
from typing import Any

import structlog
from celery import Celery
from kombu import Connection

log = structlog.get_logger(__name__)
_ANSWER_S = 5.0
_DELETE_S = 20.0  # it waits five seconds for a leader before it deletes without (RabbitMQ 3.10.8)
_OFTEN = 2


class Silence:
    """How often in a row each lane has confirmed nothing."""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def note(self, *, silent: Collection[str], heard: Collection[str]) -> Sequence[str]:
        """This will count a sending, and give the lanes that were silent twice in a row or more often.

        >>> silence = Silence()
        >>> silence.note(silent=["bulk", "io"], heard=["io"]), silence.note(silent=["bulk", "io"], heard=[])
        ([], ['bulk'])
        >>> silence.note(silent=[], heard=["bulk"]), silence.note(silent=["bulk"], heard=[])
        ([], [])
        """
        for lane in heard:
            self._times.pop(lane, None)
        counted = sorted(set(silent) - set(heard))
        for lane in counted:
            self._times[lane] = self._times.get(lane, 0) + 1
        return [lane for lane in counted if self._times[lane] >= _OFTEN]


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
        except TimeoutError:
            return False
        return True
    finally:
        link.collect(socket_timeout=0.1)  # a channel that waits for a leader would not be closed for a minute


def make_anew(app: Celery, *, lane: str) -> bool:
    """This will delete and declare the queue of a lane that has no leader; tells whether it had none."""
    if has_leader(app.connection_for_write(), queue=lane):
        return False
    link = app.connection_for_write()
    channel = _channel(link, read_timeout_s=_DELETE_S)
    try:
        channel.queue_delete(lane)
        app.amqp.queues[lane](channel).declare()
    finally:
        link.collect(socket_timeout=0.1)
    log.error("lane_made_anew", lane=lane, reason="its queue had no leader")
    return True


def _channel(link: Connection, *, read_timeout_s: float) -> Any:  # Any: py-amqp has no types
    link.transport_options = {**(link.transport_options or {}), "read_timeout": read_timeout_s}
    return link.channel()
