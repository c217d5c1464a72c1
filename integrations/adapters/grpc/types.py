"""The types of a gRPC server: asked for by reflection, or read from a FileDescriptorSet."""

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple

import grpc
from google.protobuf import descriptor_pb2, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from integrations.endpoints import Deadline
from integrations.errors import Refused

_MOST_FILES = 500
_NO_SIDE_EFFECTS = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS


class Method(NamedTuple):
    """A method as it is called: where, with what, and whether it answers with a stream."""

    path: str
    request: type[Message]
    response: type[Message]
    is_stream: bool
    is_safe: bool


def method(pool: DescriptorPool, *, service: str, name: str) -> Method:
    """This will find a method. Raises Refused when there is none, or when it wants a stream of requests."""
    try:
        found: MethodDescriptor = pool.FindServiceByName(service).methods_by_name[name]
    except KeyError:
        raise Refused(f"the server has no method {name} in {service}: {_known(pool, service)}") from None
    if found.client_streaming:
        raise Refused(f"{service}/{name} takes a stream of requests: only single requests can be sent")
    return Method(
        path=f"/{service}/{name}",
        request=message_factory.GetMessageClass(found.input_type),
        response=message_factory.GetMessageClass(found.output_type),
        is_stream=bool(found.server_streaming),
        is_safe=found.GetOptions().idempotency_level == _NO_SIDE_EFFECTS,
    )


def request(target: Method, *, value: Mapping[str, object]) -> Message:
    """This will make a request out of JSON. Raises Refused where it does not fit the type."""
    try:
        return json_format.ParseDict(dict(value), target.request())
    except json_format.ParseError as error:
        raise Refused(f"with/request does not fit {target.path}: {error}") from error


def plain(message: Message) -> Mapping[str, object]:
    """This will write a message as JSON, also the fields that have their standard value."""
    made: Mapping[str, object] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return made


def from_set(text: str, *, connection: str) -> DescriptorPool:
    """This will read a FileDescriptorSet in base64. Raises Refused when it is none."""
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(base64.b64decode(text, validate=True)).file
        return _pool({file.name: file for file in files})
    except (binascii.Error, DecodeError, TypeError) as error:
        raise Refused(f"options/descriptors of connection {connection} is no FileDescriptorSet: {error}") from error


def from_reflection(
    channel: grpc.Channel, *, service: str, metadata: tuple[tuple[str, str], ...], deadline: Deadline
) -> DescriptorPool:
    """This will ask the server for the file of a service, and for those it imports.

    Raises RpcError as the server answers, Refused when it does not know the service.
    """
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    wanted = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)]
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    while wanted:
        answers = stub.ServerReflectionInfo(iter(wanted), timeout=deadline.left_s, metadata=metadata)
        for answer in answers:
            if answer.HasField("error_response"):
                raise Refused(f"the server does not know {service}: {answer.error_response.error_message}")
            for data in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(data)
                files[file.name] = file
        missing = {name for file in files.values() for name in file.dependency} - files.keys()
        if len(files) + len(missing) > _MOST_FILES:
            raise Refused(f"the types of {service} come from more than {_MOST_FILES} files")
        wanted = [reflection_pb2.ServerReflectionRequest(file_by_filename=name) for name in sorted(missing)]
    return _pool(files)


def _pool(files: Mapping[str, descriptor_pb2.FileDescriptorProto]) -> DescriptorPool:
    """Files are added behind those they import."""
    pool, added = DescriptorPool(), set[str]()

    def add(name: str) -> None:
        if name in added or name not in files:
            return
        added.add(name)
        for dependency in files[name].dependency:
            add(dependency)
        pool.Add(files[name])

    for name in files:
        add(name)
    return pool


def _known(pool: DescriptorPool, service: str) -> str:
    try:
        return "it has " + ", ".join(sorted(pool.FindServiceByName(service).methods_by_name))
    except KeyError:
        return "it does not know that service"
