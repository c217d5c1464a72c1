"""Valkey and Redis as a broker that forgets no message: it sets aside what RabbitMQ would, in a queue of the same name.

A message that is rejected, or was given out too often, moves to the queue `dead` in the transaction that takes it from
its own queue, so that whoever dies in between, it is in exactly one of them.
"""

from collections.abc import Mapping
from typing import Any

from kombu.transport import redis, virtual
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads

DELIVERIES = "x-delivery-count"
"""The header in which deliveries are counted; RabbitMQ's quorum queues use the same."""

_Payload = dict[str, Any]  # Any: a message as kombu stores it
_Channel: Any = redis.Channel  # Any: kombu's Redis transport has no types for what is overridden here
_QoS: Any = redis.QoS


class CarefulQoS(_QoS):
    """Which messages a channel has given out."""

    channel: "CarefulChannel"

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """This will give a message back, or set it aside where it must not come again."""
        if requeue:
            super().reject(delivery_tag, requeue=True)
            return
        self._set_aside(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)

    def _set_aside(self, tag: str) -> None:
        def move(pipe: Any) -> None:  # Any: redis-py's pipeline
            kept = pipe.hget(self.unacked_key, tag)
            pipe.multi()
            self._remove_from_indices(tag, pipe)
            if kept:
                payload, _, lane = loads(bytes_to_str(kept))
                self.channel.bury(payload, queue=lane, reason="rejected", pipe=pipe)

        with self.channel.conn_or_acquire() as client:
            client.transaction(move, self.unacked_key)


class CarefulChannel(_Channel):
    """A channel with `dead_queue`, and `delivery_limit`: how often a message comes again before it goes there."""

    QoS = CarefulQoS
    dead_queue = ""
    delivery_limit = 0
    from_transport_options = (*_Channel.from_transport_options, "dead_queue", "delivery_limit")

    def bury(self, payload: _Payload, *, queue: str, reason: str, pipe: Any) -> None:  # Any: redis-py's pipeline
        """This will put a message into the queue `dead`, with the death that RabbitMQ would write down."""
        payload["headers"] = {**_mapping(payload.get("headers")), "x-death": [{"queue": queue, "reason": reason}]}
        payload["properties"]["delivery_info"] = {"exchange": self.dead_queue, "routing_key": queue}
        pipe.lpush(self._q_for_pri(self.dead_queue, 0), dumps(payload))

    def _do_restore_message(
        self, payload: _Payload, exchange: str, routing_key: str, pipe: Any, leftmost: bool = False
    ) -> None:  # Any: as above
        """Kombu calls this for whatever was given out and comes again, inside the transaction that takes it back."""
        if exchange == self.dead_queue:  # kombu would look for its bindings, which a connection may not know
            payload["properties"]["delivery_info"]["redelivered"] = True
            pipe.rpush(self._q_for_pri(self.dead_queue, 0), dumps(payload))
            return
        headers = payload["headers"] = {**_mapping(payload.get("headers"))}
        headers[DELIVERIES] = int(headers.get(DELIVERIES, 0)) + 1
        if headers[DELIVERIES] > self.delivery_limit:
            self.bury(payload, queue=routing_key, reason="delivery_limit", pipe=pipe)
        else:
            super()._do_restore_message(payload, exchange, routing_key, pipe, leftmost)


class CarefulTransport(redis.Transport):
    """Kombu's transport with such channels."""

    Channel = CarefulChannel


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
