"""Lanes as queues of RabbitMQ, or of Valkey and Redis: the one place where the brokers differ."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlsplit

from kombu import Connection, Exchange, Queue
from kombu.transport import pyamqp, redis

from automation import pulse
from config import amqp_broker, lanes, redis_broker
from config.env import Environment

DEAD = "dead"
"""The queue of messages that no worker could take; a scheduler stores them in the database and confirms them."""

WORK_EXCHANGE = Exchange("workflows", type="topic", durable=True)  # topic: native delayed delivery needs it
DEAD_EXCHANGE = Exchange(DEAD, type="topic", durable=True)


class PromptConnection(Connection):
    """Tries a lost broker again every two seconds: kombu's own pauses grow to half a minute, with the broker back.

    On Valkey and Redis it has our transport, which forgets no message; on RabbitMQ nobody waits for a confirm for ever.
    """

    def get_transport_cls(self) -> type[Any]:  # Any: kombu's transports have no types
        """This will give the class of the transport that the URL asks for."""
        asked: type[Any] = super().get_transport_cls()
        return _TRANSPORTS.get(asked, asked)

    def ensure_connection(  # Any: passed on as it is
        self, errback: Callable[[Exception, float], None] | None = None, *args: Any, **options: Any
    ) -> Self:
        """This will return the connection when there is one. Raises as kombu's does when `max_retries` are used up."""

        def tell(error: Exception, pause_s: float) -> None:
            pulse.beat(pulse.LOOP)  # who waits for the broker goes on
            if errback is not None:
                errback(error, pause_s)

        return super().ensure_connection(tell, *args, **{**_PAUSES, **options})


_TRANSPORTS: Mapping[type[Any], type[Any]] = {  # Any: kombu's transports have no types
    redis.Transport: redis_broker.CarefulTransport,
    pyamqp.Transport: amqp_broker.LimitedTransport,
    pyamqp.SSLTransport: amqp_broker.LimitedTlsTransport,
}
_PAUSES = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}


def celery_url(url: str) -> str:
    """This will write redis-py's URL of a Unix socket the way Celery reads it.

    >>> celery_url("unix:///run/valkey.sock?db=0")
    'redis+socket:///run/valkey.sock?virtual_host=0'
    >>> celery_url("amqp://host//")
    'amqp://host//'
    """
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    return f"redis+socket://{parts.path}?virtual_host={parts.query.removeprefix('db=') or '0'}"


def is_rabbitmq(url: str) -> bool:
    """This will tell whether the broker is RabbitMQ; else it is Valkey or Redis."""
    return urlsplit(url).scheme in ("amqp", "amqps")


def names_of(environment: Environment) -> Sequence[str]:
    """This will give the queues workers read, most urgent first."""
    return list(lanes.parse(environment.lanes))


def broker_settings(environment: Environment) -> Mapping[str, Any]:  # Any: Celery's settings have many types
    """This will be the part of Celery's settings that depends on the broker."""
    on_rabbitmq = is_rabbitmq(environment.broker_url)
    return {
        "broker_url": environment.broker_url,
        "broker_transport_options": _rabbitmq_options() if on_rabbitmq else _redis_options(environment),
        "task_queues": _quorum_queues(environment) if on_rabbitmq else _plain_queues(environment),
    }


def _quorum_queues(environment: Environment) -> Sequence[Queue]:
    """Without reject-publish a quorum queue silently forgets the at-least-once of its dead letters."""
    arguments = {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": DEAD_EXCHANGE.name,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-delivery-limit": environment.delivery_limit,
    }
    work = [Queue(lane, WORK_EXCHANGE, routing_key=lane, queue_arguments=arguments) for lane in names_of(environment)]
    dead = Queue(DEAD, DEAD_EXCHANGE, routing_key="#", queue_arguments={"x-queue-type": "quorum"})
    return [*work, dead]


def _plain_queues(environment: Environment) -> Sequence[Queue]:
    work = [Queue(lane, WORK_EXCHANGE, routing_key=lane) for lane in names_of(environment)]
    return [*work, Queue(DEAD, DEAD_EXCHANGE, routing_key="#")]


def _rabbitmq_options() -> Mapping[str, object]:
    # With the timeouts a publisher fails after seconds, not never, while the broker refuses to take more.
    return {
        "confirm_publish": True,
        "max_retries": 3,
        "interval_start": 0,
        "interval_step": 0.2,
        "interval_max": 1.0,
        "connect_timeout": 5,
    }


def _redis_options(environment: Environment) -> Mapping[str, object]:
    # Without interval and throttle unconfirmed messages come back after 100 s at the earliest, whatever the
    # visibility timeout says. The order of the lanes is the only priority there is.
    return {
        "visibility_timeout": environment.broker_redelivery_s,
        "dead_queue": DEAD,
        "delivery_limit": environment.delivery_limit,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",
        "priority_steps": [0],
        "socket_keepalive": True,
        "health_check_interval": 30,
    }
