"""Calls of gRPC methods; channels and types are kept for a while, and lead to checked addresses only."""

import asyncio
import os
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import grpc
import grpc.aio
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

from integrations import endpoints, endpoints_async
from integrations.adapters.grpc import types, verdicts
from integrations.addresses import Address
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline, Endpoint
from integrations.errors import Refused, Unavailable

_SCHEMES: Mapping[str, int] = {"grpc": 80, "grpcs": 443}
_KEPT_S = 300.0
_HEALTH = "/grpc.health.v1.Health/Check"
_SERVING = b"\x08\x01"
_DECIDED = (
    grpc.ChannelConnectivity.READY,
    grpc.ChannelConnectivity.TRANSIENT_FAILURE,
    grpc.ChannelConnectivity.SHUTDOWN,
)


@dataclass
class _Kept:
    """A channel with the types its server has told so far, until it is too old or its connection changes."""

    settings: ConnectionSettings
    channel: grpc.Channel
    pools: dict[str, DescriptorPool] = field(default_factory=dict)
    until: float = field(default_factory=lambda: time.monotonic() + _KEPT_S)


_kept: dict[str, _Kept] = {}
_making = threading.Lock()
_async_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, tuple[float, ConnectionSettings, grpc.aio.Channel]]]
_async_kept = WeakKeyDictionary()


def call(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str, repeatable: bool
) -> object:
    """This will call a method and wait for its answer."""
    deadline = Deadline.after(timeout_s)
    kept = _ready(connection, deadline=deadline)
    metadata = _metadata(inputs, connection=connection, key=key)
    method = _method(kept, inputs=inputs, connection=connection, deadline=deadline)
    request = types.request(method, value=_mapping(inputs.get("request")))
    options = {"timeout": deadline.left_s, "metadata": metadata}
    try:
        if not method.is_stream:
            single = kept.channel.unary_unary(method.path, *_serializers(method))
            return {"response": types.plain(single(request, **options))}
        taking = _Taking(inputs, connection=connection)
        stream = kept.channel.unary_stream(method.path, *_serializers(method))(request, **options)
        try:
            for message in stream:
                taking.take(message)
        finally:
            stream.cancel()
        return {"responses": taking.messages}
    except grpc.RpcError as error:
        raise verdicts.failure(error, is_safe=method.is_safe, repeatable=repeatable) from error


async def acall(
    *, inputs: Mapping[str, object], connection: ConnectionSettings, timeout_s: float, key: str, repeatable: bool
) -> object:
    """This will do what `call` does on an event loop; types that are not known yet are asked for in a thread."""
    deadline = Deadline.after(timeout_s)
    metadata = _metadata(inputs, connection=connection, key=key)
    method = await asyncio.to_thread(_method_of, inputs=inputs, connection=connection, deadline=deadline)
    request = types.request(method, value=_mapping(inputs.get("request")))
    channel = await _async_channel(connection, deadline=deadline)
    options = {"timeout": deadline.left_s, "metadata": metadata}
    try:
        if not method.is_stream:
            single = channel.unary_unary(method.path, *_serializers(method))
            return {"response": types.plain(await single(request, **options))}
        taking = _Taking(inputs, connection=connection)
        stream = channel.unary_stream(method.path, *_serializers(method))(request, **options)
        try:
            async for message in stream:
                taking.take(message)
        finally:
            stream.cancel()
        return {"responses": taking.messages}
    except grpc.RpcError as error:
        raise verdicts.failure(error, is_safe=method.is_safe, repeatable=repeatable) from error


def is_known_safe(*, inputs: Mapping[str, object], connection: ConnectionSettings) -> bool:
    """This will tell whether what the server has told so far says that the method has no side effects."""
    kept = _kept.get(connection.name)
    pool = kept.pools.get(str(inputs["service"])) if kept is not None and kept.settings == connection else None
    if pool is None:
        return False
    try:
        return types.method(pool, service=str(inputs["service"]), name=str(inputs["method"])).is_safe
    except Refused:
        return False


def health(connection: ConnectionSettings, *, timeout_s: float) -> str:
    """This will ask the standard health service. Raises Unavailable when it does not serve."""
    deadline = Deadline.after(timeout_s)
    kept = _ready(connection, deadline=deadline)
    try:
        check = kept.channel.unary_unary(_HEALTH)
        answer = check(b"", timeout=deadline.left_s, metadata=_metadata({}, connection=connection, key=None))
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            return "it answers; it has no health service"
        raise verdicts.failure(error, is_safe=True, repeatable=True) from error
    if answer != _SERVING:
        raise Unavailable("its health service says that it does not serve")
    return "its health service says SERVING"


class _Taking:
    """A stream of messages on its way in, no more than is allowed."""

    def __init__(self, inputs: Mapping[str, object], *, connection: ConnectionSettings) -> None:
        self.messages: list[Mapping[str, object]] = []
        self._most = int(str(inputs.get("max_messages", 1_000)))
        self._limit = self._left = connection.max_response_bytes

    def take(self, message: Message) -> None:
        self._left -= message.ByteSize()
        if len(self.messages) == self._most:
            raise Refused(f"the stream has more than {self._most} messages", evidence={"happened": True})
        if self._left < 0:
            raise Refused(f"the stream is larger than the {self._limit} bytes allowed", evidence={"happened": True})
        self.messages.append(types.plain(message))


def _method_of(*, inputs: Mapping[str, object], connection: ConnectionSettings, deadline: Deadline) -> types.Method:
    return _method(_ready(connection, deadline=deadline), inputs=inputs, connection=connection, deadline=deadline)


def _method(
    kept: _Kept, *, inputs: Mapping[str, object], connection: ConnectionSettings, deadline: Deadline
) -> types.Method:
    service = str(inputs["service"])
    pool = kept.pools.get(service)
    if pool is None:
        given = connection.options.get("descriptors")
        if isinstance(given, str):
            pool = types.from_set(given, connection=connection.name)
        else:
            pool = _asked(kept, service=service, connection=connection, deadline=deadline)
        kept.pools[service] = pool
    return types.method(pool, service=service, name=str(inputs["method"]))


def _asked(kept: _Kept, *, service: str, connection: ConnectionSettings, deadline: Deadline) -> DescriptorPool:
    metadata = _metadata({}, connection=connection, key=None)
    try:
        return types.from_reflection(kept.channel, service=service, metadata=metadata, deadline=deadline)
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.UNIMPLEMENTED:
            raise Refused(
                f"the server has no reflection: give connection {connection.name} the option descriptors"
            ) from error
        raise verdicts.failure(error, is_safe=True, repeatable=True) from error


def _ready(connection: ConnectionSettings, *, deadline: Deadline) -> _Kept:
    """A channel that is connected. Raises Unavailable when it is not in time."""
    with _making:
        kept = _kept.get(connection.name)
        is_usable = kept is not None and kept.settings == connection and time.monotonic() < kept.until
        if kept is None or not is_usable:
            if kept is not None:
                kept.channel.close()
            kept = _kept[connection.name] = _made(connection, deadline=deadline)
    if not _connects(kept.channel, limit_s=min(deadline.left_s, connection.connect_timeout_s)):
        with _making:
            _kept.pop(connection.name, None)
        kept.channel.close()
        raise Unavailable(f"{connection.base_url} cannot be reached")
    return kept


def _connects(channel: grpc.Channel, *, limit_s: float) -> bool:
    """Whether a channel is connected in time; a first failure ends it, for the engine decides about the next try."""
    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()

    def tell(state: grpc.ChannelConnectivity) -> None:
        if state in _DECIDED:
            states.put(state)

    channel.subscribe(tell, try_to_connect=True)
    try:
        return states.get(timeout=limit_s) is grpc.ChannelConnectivity.READY
    except queue.Empty:
        return False
    finally:
        channel.unsubscribe(tell)


def _made(connection: ConnectionSettings, *, deadline: Deadline) -> _Kept:
    target = endpoints.endpoint(connection, schemes=_SCHEMES)
    found = endpoints.addresses(target, connection=connection, timeout_s=deadline.left_s)
    where, options = _target(target, found), _options(target, connection)
    if target.scheme == "grpc":
        return _Kept(connection, grpc.insecure_channel(where, options=options))
    return _Kept(connection, grpc.secure_channel(where, _credentials(connection), options=options))


async def _async_channel(connection: ConnectionSettings, *, deadline: Deadline) -> grpc.aio.Channel:
    channels = _async_kept.setdefault(asyncio.get_running_loop(), {})
    until, settings, channel = channels.get(connection.name, (0.0, None, None))
    if channel is None or settings != connection or time.monotonic() >= until:
        if channel is not None:
            await channel.close()
        target = endpoints.endpoint(connection, schemes=_SCHEMES)
        found = await endpoints_async.addresses(target, connection=connection, timeout_s=deadline.left_s)
        where, options = _target(target, found), _options(target, connection)
        if target.scheme == "grpc":
            channel = grpc.aio.insecure_channel(where, options=options)
        else:
            channel = grpc.aio.secure_channel(where, _credentials(connection), options=options)
        channels[connection.name] = (time.monotonic() + _KEPT_S, connection, channel)
    if not await _aconnects(channel, limit_s=min(deadline.left_s, connection.connect_timeout_s)):
        channels.pop(connection.name, None)
        await channel.close()
        raise Unavailable(f"{connection.base_url} cannot be reached")
    return channel


async def _aconnects(channel: grpc.aio.Channel, *, limit_s: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            while (state := channel.get_state(try_to_connect=True)) not in _DECIDED:
                await channel.wait_for_state_change(state)
            return state is grpc.ChannelConnectivity.READY
    return False


def _target(target: Endpoint, found: Sequence[Address]) -> str:
    """The addresses that were checked: gRPC itself asks no resolver."""
    version = found[0].version
    same = [address for address in found if address.version == version]
    if version == 4:
        return "ipv4:" + ",".join(f"{address}:{target.port}" for address in same)
    return "ipv6:" + ",".join(f"[{address}]:{target.port}" for address in same)


def _options(target: Endpoint, connection: ConnectionSettings) -> list[tuple[str, str | int]]:
    return [
        ("grpc.default_authority", str(target)),
        ("grpc.ssl_target_name_override", target.host),
        ("grpc.max_receive_message_length", connection.max_response_bytes),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),  # repetitions are decided by the engine
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 200),
    ]


def _credentials(connection: ConnectionSettings) -> grpc.ChannelCredentials:
    ca_file = connection.options.get("ca_file")
    if not isinstance(ca_file, str):
        return grpc.ssl_channel_credentials()
    try:
        return grpc.ssl_channel_credentials(Path(ca_file).read_bytes())
    except OSError as error:
        raise Refused(f"options/ca_file of connection {connection.name} cannot be read: {error}") from error


def _metadata(
    inputs: Mapping[str, object], *, connection: ConnectionSettings, key: str | None
) -> tuple[tuple[str, str], ...]:
    """Those of the connection win over those of the step."""
    made = {name: str(value) for name, value in _mapping(inputs.get("metadata")).items()}
    made |= {name.lower(): value for name, value in connection.headers.items()}
    token = connection.secret_values.get("token")
    if token:
        made["authorization"] = f"Bearer {token}"
    if key is not None and inputs.get("idempotency", "key") == "key":
        made["idempotency-key"] = key
    return tuple(made.items())


def _serializers(method: types.Method) -> tuple[Any, Any]:  # Any: functions of generated classes
    return method.request.SerializeToString, method.response.FromString


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _forget() -> None:
    """A child must not speak on its parent's channels, nor close them: they are kept, and used no more."""
    _abandoned.append(dict(_kept))
    _kept.clear()


_abandoned: list[Mapping[str, _Kept]] = []
os.register_at_fork(after_in_child=_forget)
