"""One connection and channel for each call; the broker confirms what it has taken, and what it has let go."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import amqp
import orjson
from amqp.exceptions import (
    AccessRefused,
    AMQPError,
    ConnectionForced,
    MessageNacked,
    RecoverableConnectionError,
    ResourceLocked,
)

from integrations import endpoints
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import CallFailed, Denied, Refused, Throttled, Unavailable, Unknown
from integrations.plain import plain
from integrations.watchdog import watched

_SCHEMES: Mapping[str, int] = {"amqp": 5672, "amqps": 5671}
_PERSISTENT, _TRANSIENT = 2, 1
_NOT_NOW = (ConnectionForced, RecoverableConnectionError, ResourceLocked)


@dataclass
class _Progress:
    """Whether something may have changed by now, and may then be repeated."""

    repeatable: bool
    is_let_in: bool = False
    has_begun: bool = False


def publish(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str, repeatable: bool
) -> Mapping[str, object]:
    """This will publish one message, and wait until the broker has it in a queue."""
    returned: list[object] = []
    deadline, progress = Deadline.after(timeout_s), _Progress(repeatable)
    exchange, routing_key = str(inputs.get("exchange", "")), str(inputs["routing_key"])
    message = _message(inputs, key=key)
    with _channel(connection, deadline=deadline, progress=progress) as channel:
        channel.confirm_select()
        channel.events["basic_return"].add(lambda *about: returned.append(about))
        progress.has_begun = True
        try:
            channel.basic_publish_confirm(
                message, exchange, routing_key, mandatory=True, timeout=deadline.left_s, confirm_timeout=deadline.left_s
            )
        except MessageNacked as error:
            raise Throttled("the broker did not take the message: its queue is full") from error
    if returned:
        raise Refused(f"no queue of exchange {exchange!r} takes messages with the routing key {routing_key!r}")
    return {"message_id": key}


def get(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, repeatable: bool
) -> Mapping[str, object]:
    """This will take messages out of a queue, those that are there now and fit into an answer."""
    deadline, progress = Deadline.after(timeout_s), _Progress(repeatable)
    most, room = int(str(inputs.get("max_messages", 1))), connection.max_response_bytes
    taken: list[amqp.Message] = []
    with _channel(connection, deadline=deadline, progress=progress) as channel:
        while len(taken) < most and not deadline.has_passed:
            message = channel.basic_get(str(inputs["queue"]))
            if message is None:
                break
            room -= len(message.body)
            if room < 0:
                channel.basic_reject(message.delivery_tag, requeue=True)
                break
            taken.append(message)
        if room < 0 and not taken:
            raise Refused(
                f"the next message is larger than the {connection.max_response_bytes} bytes allowed: it stays there"
            )
        if inputs.get("acknowledge", True) and taken:
            progress.has_begun = True
            channel.basic_ack(taken[-1].delivery_tag, multiple=True)
        channel.close()  # the broker answers when it has seen the acknowledgement
    return {"messages": [_read(message) for message in taken], "count": len(taken)}


def described(connection: ConnectionSettings, *, timeout_s: float) -> str:
    """This will say which broker lets us in."""
    with _channel(connection, deadline=Deadline.after(timeout_s), progress=_Progress(True)) as channel:
        about = channel.connection.server_properties
    return f"{about.get('product', 'a broker')} {about.get('version', '')} lets us in"


@contextmanager
def _channel(connection: ConnectionSettings, *, deadline: Deadline, progress: _Progress) -> Iterator[Any]:
    """A channel, and what a failure of the broker means. Any: amqp publishes no types."""
    broker = _broker(connection, deadline=deadline)
    try:
        with watched(deadline, break_off=lambda: _shutdown(broker)):
            broker.connect()
            progress.is_let_in = True
            yield broker.channel()
            with suppress(AMQPError, OSError):
                broker.close()
    except (AMQPError, OSError) as error:
        raise _failure(error, progress=progress) from error
    finally:
        with suppress(AMQPError, OSError):
            broker.collect()


def _broker(connection: ConnectionSettings, *, deadline: Deadline) -> amqp.Connection:
    target = endpoints.endpoint(connection, schemes=_SCHEMES)
    wait_s = max(min(deadline.left_s, connection.connect_timeout_s), 0.001)
    address = endpoints.addresses(target, connection=connection, timeout_s=wait_s)[0]
    host = f"[{address}]" if address.version == 6 else str(address)
    encryption: dict[str, object] = {
        "server_hostname": target.host,
        "context": {"check_hostname": True, "cafile": connection.options.get("ca_file")},
    }
    return amqp.Connection(
        host=f"{host}:{target.port}",
        userid=str(connection.options.get("user", "")),
        password=connection.secret_values.get("password", ""),
        login_method="PLAIN",
        virtual_host=str(connection.options.get("virtual_host", "/")),
        ssl=encryption if target.scheme == "amqps" else False,
        connect_timeout=wait_s,
        read_timeout=min(max(deadline.left_s, 0.001), connection.read_timeout_s),
        write_timeout=min(max(deadline.left_s, 0.001), connection.read_timeout_s),
    )


def _failure(error: Exception, *, progress: _Progress) -> CallFailed:
    code = getattr(error, "reply_code", None)
    said = str(getattr(error, "reply_text", None) or str(error) or type(error).__name__)[:500]
    evidence = {"code": code}
    if isinstance(error, AccessRefused) and not progress.is_let_in:
        return Denied(f"the broker did not let us in: {code} {said}", evidence=evidence)
    if isinstance(error, AMQPError) and code and not isinstance(error, _NOT_NOW):
        return Refused(f"the broker refused it: {code} {said}", evidence=evidence)
    if isinstance(error, ResourceLocked) or not progress.has_begun:
        return Unavailable(f"the broker did not do it: {said}", evidence=evidence)
    return Unknown(f"the broker did not confirm it: {said}", evidence=evidence, repeatable=progress.repeatable)


def _message(inputs: Mapping[str, object], *, key: str) -> amqp.Message:
    about: dict[str, Any] = {  # Any: properties of AMQP
        "message_id": key,
        "delivery_mode": _PERSISTENT if inputs.get("persistent", True) else _TRANSIENT,
        "application_headers": inputs.get("headers", {}),
    }
    if "expiration_s" in inputs:
        about["expiration"] = str(round(float(str(inputs["expiration_s"])) * 1000))
    if "json" in inputs:
        return amqp.Message(orjson.dumps(inputs["json"]), content_type="application/json", **about)
    content_type = str(inputs.get("content_type", "text/plain"))
    return amqp.Message(str(inputs["body"]).encode(), content_type=content_type, content_encoding="utf-8", **about)


def _read(message: amqp.Message) -> Mapping[str, object]:
    about, delivery = message.properties, message.delivery_info
    return {
        "message_id": about.get("message_id"),
        "content_type": about.get("content_type"),
        "headers": plain(about.get("application_headers") or {}),
        "exchange": delivery.get("exchange"),
        "routing_key": delivery.get("routing_key"),
        "is_redelivered": bool(delivery.get("redelivered")),
        "body": _body(message),
    }


def _body(message: amqp.Message) -> object:
    """JSON where it says so and is, else text, else base64."""
    body = message.body
    data = body.encode() if isinstance(body, str) else bytes(body)
    if message.properties.get("content_type") == "application/json":
        with suppress(orjson.JSONDecodeError):
            return orjson.loads(data)
    try:
        return plain(data.decode())
    except UnicodeDecodeError:
        return plain(data)


def _shutdown(broker: amqp.Connection) -> None:
    opened = getattr(broker.transport, "sock", None)
    with suppress(OSError):
        if opened is not None:
            opened.shutdown(socket.SHUT_RDWR)
