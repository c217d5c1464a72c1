"""RabbitMQ over py-amqp, with a limit: who publishes waits some seconds for a confirm, and not for ever.

A queue without a leader confirms nothing. Then Celery sends once more over another connection, and gives up in the end.
"""

from typing import Any

from kombu.transport import pyamqp

_CONFIRM_S = 5.0


class LimitedChannel(pyamqp.Channel):
    """A channel whose confirms are waited for `_CONFIRM_S` unless the sender says otherwise."""

    def basic_publish_confirm(self, *args: Any, **options: Any) -> Any:  # Any: passed on as it is
        """This will publish and return when that is confirmed. Raises TimeoutError when it is not in time."""
        return super().basic_publish_confirm(
            *args, **{**options, "confirm_timeout": options.get("confirm_timeout") or _CONFIRM_S}
        )


class LimitedConnection(pyamqp.Connection):
    """A connection with such channels."""

    Channel = LimitedChannel


class LimitedTransport(pyamqp.Transport):
    """Such connections without TLS."""

    Connection = LimitedConnection


class LimitedTlsTransport(pyamqp.SSLTransport):
    """Such connections with TLS."""

    Connection = LimitedConnection
