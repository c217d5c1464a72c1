"""The adapter `rest.call`: an operation of an API, by its id in the API's OpenAPI document.

    with: {operation: createCharge, body: {amount: "12.50"}}
    with: {operation: listCharges, parameters: {state: open}, pages: {by: page, parameter: page, items: data}}

Parameters and body are checked before anything is sent, the answer before it is believed. Its output is
`{status, headers, body}` as that of `http.request`, or `{items, pages}` of all pages.
"""

import asyncio
from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from integrations import endpoints, http_connections, http_semantics
from integrations.adapters import http_request
from integrations.adapters.rest import documents, pages, requests
from integrations.adapters.rest.errors import DoesNotFit
from integrations.adapters.rest.openapi import Document
from integrations.contract import CallContext, ConnectionSettings
from integrations.endpoints import Deadline
from integrations.errors import Refused

name = "rest.call"
kind = http_connections.KIND
speaks_http = True
connection_schema = http_connections.CONNECTION_SCHEMA
secret_names = http_connections.SECRET_NAMES
probe = http_connections.probe

input_schema: Mapping[str, object] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "operation": {"type": "string", "minLength": 1, "description": "An operationId of the document."},
        "parameters": {"type": "object", "default": {}, "description": "Of path, query and headers, by name."},
        "body": {"description": "Sent in the media type of the document: JSON, a form, or text."},
        "pages": pages.SCHEMA,
        "check_answer": {
            "type": "boolean",
            "default": True,
            "description": "Whether an answer that is not what the document says fails the step.",
        },
        "idempotency": {
            "enum": ["key", "none"],
            "default": "key",
            "description": "key: methods that change something carry Idempotency-Key. none: they do not, "
            "and are not repeated once their outcome is unknown.",
        },
    },
    "required": ["operation"],
    "additionalProperties": False,
}

Exchange = Generator[Mapping[str, Any], Mapping[str, Any], object]  # Any: inputs and outputs of http.request


def call(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will call an operation, and fetch its further pages where that is wanted.

    Raises Refused for what is not as the document says (with `"happened": true` where only the answer is not), else
    what `http.request` raises.
    """
    settings, deadline = endpoints.required(connection, uses=name), Deadline.after(context.timeout_s)
    document = documents.document(settings, timeout_s=deadline.left_s)
    exchange = _exchange(inputs, document=document, connection=settings)
    try:
        request = next(exchange)
        while True:
            left = replace(context, timeout_s=deadline.left_s)
            answer: Any = http_request.call(inputs=request, connection=settings, context=left)
            request = exchange.send(answer)
    except StopIteration as end:
        return end.value


async def acall(*, inputs: Mapping[str, object], connection: ConnectionSettings | None, context: CallContext) -> object:
    """This will do what `call` does on an event loop; a document that is not known yet is read in a thread."""
    settings, deadline = endpoints.required(connection, uses=name), Deadline.after(context.timeout_s)
    document = await asyncio.to_thread(documents.document, settings, timeout_s=deadline.left_s)
    exchange = _exchange(inputs, document=document, connection=settings)
    try:
        request = next(exchange)
        while True:
            left = replace(context, timeout_s=deadline.left_s)
            answer: Any = await http_request.acall(inputs=request, connection=settings, context=left)
            request = exchange.send(answer)
    except StopIteration as end:
        return end.value


def is_repeatable(*, inputs: Mapping[str, object]) -> bool:
    """This will tell whether an operation of unknown outcome may be called again: it carries a key."""
    return inputs.get("idempotency", "key") == "key"


def is_known_safe(*, inputs: Mapping[str, object], connection: ConnectionSettings | None) -> bool:
    """This will tell whether the document, where it is at hand, gives the operation a method that changes nothing."""
    document = None if connection is None else documents.find_document(connection)
    if document is None:
        return False
    try:
        return document.operation(str(inputs["operation"])).method in http_semantics.SAFE_METHODS
    except DoesNotFit:
        return False


def _exchange(inputs: Mapping[str, Any], *, document: Document, connection: ConnectionSettings) -> Exchange:
    """The requests of one call, each made when the answer to the one before is there. Any: JSON."""
    try:
        operation = document.operation(inputs["operation"])
        request = requests.request(
            document,
            operation,
            parameters=inputs.get("parameters", {}),
            body=inputs.get("body"),
            has_body="body" in inputs,
        )
    except DoesNotFit as error:
        raise Refused(f"it was not sent: {error}") from error
    following: Mapping[str, Any] | None = {**request, "idempotency": inputs.get("idempotency", "key")}
    paging = pages.Paging(inputs["pages"], connection.max_response_bytes) if "pages" in inputs else None
    if paging is not None:
        if operation.method != "GET":
            raise Refused(f"it was not sent: {operation.id} is a {operation.method}, only a GET has pages")
        following = paging.first(following or request)
    answer: Mapping[str, Any] = {}
    while following is not None:
        request = following
        answer = yield request
        if inputs.get("check_answer", True):
            problems = requests.answer_problems(document, operation, status=answer["status"], body=answer["body"])
            _believe(problems, answer=answer)
        following = None
        if paging is not None:
            try:
                following = paging.take(answer, request=request)
            except DoesNotFit as error:
                raise Refused(str(error), evidence={"happened": True}) from error
    return answer if paging is None else {"items": paging.items, "pages": paging.count}


def _believe(problems: Any, *, answer: Mapping[str, Any]) -> None:
    if problems:
        status = answer["status"]
        raise Refused(
            f"the call happened (status {status}), but its answer is not what the document says: {problems[0]}",
            evidence={"happened": True, "status": status, "problems": list(problems)},
        )
