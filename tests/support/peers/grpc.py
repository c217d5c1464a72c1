"""A gRPC server with reflection as the peer of `grpc.call`; its types are made here, not generated."""

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha import reflection

from integrations.adapters.grpc import call
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, settings

SERVICE = "shop.v1.Orders"
TOKEN = "t0ken-of-the-shop"


def file() -> descriptor_pb2.FileDescriptorProto:
    """This will be orders.proto: a service with Book, Find (safe), Watch (a stream) and Feed (a stream of requests)."""
    made = descriptor_pb2.FileDescriptorProto(name="orders.proto", package="shop.v1", syntax="proto3")
    order = made.message_type.add(name="Order")
    fields = {"word": "TYPE_STRING", "pieces": "TYPE_INT64", "wish": "TYPE_STRING"}
    for number, (name, kind) in enumerate(fields.items(), start=1):
        order.field.add(name=name, number=number, type=kind, label="LABEL_OPTIONAL")
    service = made.service.add(name="Orders")
    for name in ("Book", "Find", "Watch", "Feed"):
        service.method.add(
            name=name,
            input_type=".shop.v1.Order",
            output_type=".shop.v1.Order",
            server_streaming=name == "Watch",
            client_streaming=name == "Feed",
        )
    service.method[1].options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    return made


class _Doorkeeper(grpc.ServerInterceptor):
    """Lets nobody in who does not know the token."""

    def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        given = dict(details.invocation_metadata).get("authorization")
        if given == f"Bearer {TOKEN}":
            return continuation(details)

        def refuse(_request: Any, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, f"who is {given}?")

        handler = continuation(details)
        if handler is not None and handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(refuse)
        return grpc.unary_unary_rpc_method_handler(refuse)


class Shop:
    """The server: an order is booked once for each key; an order's `wish` says how it is to be answered."""

    def __init__(self, *, has_reflection: bool = True) -> None:
        pool = DescriptorPool()
        pool.Add(file())
        self._order = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.v1.Order"))
        self.booked: dict[str, str] = {}
        self._server = grpc.server(ThreadPoolExecutor(8), interceptors=(_Doorkeeper(),))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        if has_reflection:
            reflection.enable_server_reflection((SERVICE, reflection.SERVICE_NAME), self._server, pool=pool)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait(5)

    def _handlers(self) -> grpc.GenericRpcHandler:
        types = {"request_deserializer": self._order.FromString, "response_serializer": self._order.SerializeToString}
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Book": grpc.unary_unary_rpc_method_handler(self._book, **types),
                "Find": grpc.unary_unary_rpc_method_handler(self._book, **types),
                "Watch": grpc.unary_stream_rpc_method_handler(self._watch, **types),
            },
        )

    def _book(self, order: Any, context: grpc.ServicerContext) -> Any:
        metadata = dict(context.invocation_metadata())
        if order.wish == "slow":
            time.sleep(1.5)
        elif order.wish == "large":
            return self._order(word="x" * 5_000)
        elif order.wish == "RESOURCE_EXHAUSTED":
            context.set_trailing_metadata([("grpc-retry-pushback-ms", "1500")])
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")
        elif order.wish:
            context.abort(grpc.StatusCode[order.wish], "as you wish")
        self.booked.setdefault(metadata.get("idempotency-key", order.word), order.word)
        return self._order(word=order.word, pieces=order.pieces)

    def _watch(self, order: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        for number in range(order.pieces):
            yield self._order(word=order.word, pieces=number)


class Call(Peer):
    """`grpc.call` of a method that changes something."""

    id = "grpc.call"
    adapter = call
    changes = True
    extra = "grpc"
    cut_at = cut_answer = b"cut-here"

    @property
    def shop(self) -> Shop:
        """This will be the session's server."""
        return self.services.once("grpc", lambda _: Shop(), end=lambda shop: shop.stop())

    @property
    def port(self) -> int:
        return self.shop.port

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        return settings(
            f"grpc://127.0.0.1:{port or self.port}",
            changes,
            secret_values={"token": TOKEN},
        )

    def wrong_login(self) -> ConnectionSettings:
        return self.connection(secret_values={"token": SECRET})

    def inputs(self) -> Mapping[str, object]:
        return self.order(word=f"cut-here {self.unique()}")

    def order(self, method: str = "Book", /, **order: object) -> Mapping[str, object]:
        """This will be the inputs that book an order."""
        return {"service": SERVICE, "method": method, "request": {"pieces": "9007199254740993", **order}}

    def check(self, output: Any) -> None:
        assert output["response"]["pieces"] == "9007199254740993"
        assert output["response"]["wish"] == ""

    def effects(self) -> int:
        return len(self.shop.booked)

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        return (
            Case(inputs={"service": "shop.v1.None", "method": "Book"}, connection=works, says=r"shop\.v1\.None"),
            Case(
                inputs={"service": SERVICE, "method": "None"}, connection=works, says="it has Book, Feed, Find, Watch"
            ),
            Case(inputs=self.order("Feed"), connection=works, says="single requests"),
            Case(inputs=self.order(piece=1), connection=works, says="with/request"),
            Case(inputs=self.order(wish="NOT_FOUND"), connection=works, says="NOT_FOUND: as you wish"),
        )

    def throttled(self) -> Iterator[Case]:
        yield Case(inputs=self.order(wish="RESOURCE_EXHAUSTED"), connection=self.connection())

    def too_large(self) -> Case:
        connection = self.connection(max_response_bytes=1_000)
        return Case(inputs=self.order(wish="large"), connection=connection, says="too large")


def descriptors() -> str:
    """This will be the types of the shop as the option of a connection takes them."""
    files = descriptor_pb2.FileDescriptorSet(file=[file()])
    return base64.b64encode(files.SerializeToString()).decode()
