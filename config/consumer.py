"""How a worker receives messages: what it cannot take goes to the queue `dead`; it never confirms what it has not done.

Celery confirms what it cannot decode, which loses it. Rejected instead, RabbitMQ moves it to the queue `dead` with its
own guarantees; on Valkey and Redis `config/redis_broker.py` does.
"""

from typing import Any

import structlog
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer

log = structlog.get_logger(__name__)
_logger = get_logger(__name__)


class CarefulConsumer(Consumer):
    """Celery's consumer, except for messages that make no sense."""

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # Any: kombu's message, as Celery declares it
        """This will reject a message whose body cannot be read."""
        self._set_aside(message, why="undecodable", error=exc)

    def on_unknown_task(self, body: object, message: Any, exc: Exception) -> None:  # noqa: ARG002  Celery's signature; Any: as above
        """This will reject a message for a task this release does not know, whether or not Redis is there."""
        self._set_aside(message, why="unknown task", error=exc)

    def _set_aside(self, message: Any, *, why: str, error: Exception) -> None:  # Any: kombu's message
        log.error("message_set_aside", why=why, error=type(error).__name__, content_type=message.content_type)
        errors = self.connection_errors  # type: ignore[attr-defined]  # set in its constructor, missing in its types
        message.reject_log_error(_logger, errors)
