"""An API with an OpenAPI document as the peer of `rest.call`."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.adapters.rest import call
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, settings

TOKEN = "t0ken-of-the-api"
_CHARGE = {
    "type": "object",
    "required": ["id", "amount"],
    "properties": {
        "id": {"type": "string"},
        "amount": {"type": "string"},
        "note": {"type": "string", "nullable": True},
    },
}


def _json(schema: object) -> Mapping[str, object]:
    return {"content": {"application/json": {"schema": schema}}}


DOCUMENT: Mapping[str, Any] = {
    "openapi": "3.0.3",
    "info": {"title": "Charges", "version": "1"},
    "paths": {
        "/charges": {
            "post": {
                "operationId": "createCharge",
                "requestBody": {"required": True, **_json({"$ref": "#/components/schemas/New"})},
                "responses": {"201": {"description": "", **_json({"$ref": "#/components/schemas/Charge"})}},
            },
            "get": {
                "operationId": "listCharges",
                "parameters": [
                    {"name": "state", "in": "query", "schema": {"enum": ["open", "paid"]}},
                    {"name": "tags", "in": "query", "explode": False, "schema": {"type": "array"}},
                    {"name": "X-Tenant", "in": "header", "schema": {"type": "integer"}},
                ],
                "responses": {"200": {"description": "", **_json({"type": "object", "required": ["data"]})}},
            },
        },
        "/charges/{id}": {
            "parameters": [{"$ref": "#/components/parameters/Id"}],
            "get": {
                "operationId": "getCharge",
                "responses": {"200": {"description": "", **_json({"$ref": "#/components/schemas/Charge"})}},
            },
        },
    },
    "components": {
        "parameters": {"Id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}},
        "schemas": {
            "Charge": _CHARGE,
            "New": {
                "type": "object",
                "required": ["word"],
                "properties": {"word": {"type": "string"}, "amount": {"type": "number", "minimum": 0}},
                "additionalProperties": False,
            },
        },
    },
}
NAMES = ["a", "b", "c", "d", "e"]


class Api:
    """Creates each charge once for each key; lists five of them, two on a page."""

    def __init__(self) -> None:
        self.created: set[str] = set()
        self.requests: list[Request] = []
        self.server = HTTPServer(host="127.0.0.1", threaded=True)
        self.server.expect_request("/v1/openapi.json").respond_with_json(DOCUMENT)
        self.server.expect_request("/v1/charges", method="POST").respond_with_handler(self._create)
        self.server.expect_request("/v1/charges", method="GET").respond_with_handler(self._list)
        self.server.expect_request("/v1/charges/a/b").respond_with_json({"id": "a/b", "amount": "1", "note": None})
        self.server.expect_request("/v1/charges/odd").respond_with_json({"id": 7})
        self.server.expect_request("/v1", method="HEAD").respond_with_handler(self._door)
        self.server.start()

    def _door(self, request: Request) -> Response:
        is_right = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        return Response(status=204 if is_right else 401)

    def _create(self, request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Response(f"who is {request.headers.get('Authorization')}", status=401)
        word = str(json.loads(request.data)["word"])
        if word.isdecimal():
            return Response("no", status=int(word), headers={"Retry-After": "2"})
        if word == "slow":
            time.sleep(1.5)
        self.created.add(request.headers.get("Idempotency-Key", word))
        body = {"id": word, "amount": "x" * 5_000 if word == "large" else "12.50", "note": None}
        return Response(json.dumps(body), status=201, content_type="application/json")

    def _list(self, request: Request) -> Response:
        self.requests.append(request)
        offset = int(request.args.get("offset", 0)) or 2 * (int(request.args.get("page", 1)) - 1)
        offset = int(request.args.get("after", offset))
        data, rest = NAMES[offset : offset + 2], offset + 2 < len(NAMES)
        body = {"data": data, "meta": {"next": str(offset + 2) if rest else None}}
        link = f'<{self.server.url_for("/v1/charges")}?offset={offset + 2}>; rel="next"' if rest else ""
        return Response(json.dumps(body), content_type="application/json", headers={"Link": link} if link else {})


class Call(Peer):
    """`rest.call` of an operation that creates something."""

    id = "rest.call"
    adapter = call
    changes = True
    cut_at = b"cut-here"

    @property
    def api(self) -> Api:
        """This will be the session's API."""
        return self.services.once("rest", lambda _: Api(), end=lambda api: api.server.stop())

    @property
    def port(self) -> int:
        return self.api.server.port

    def connection(self, *, port: int | None = None, token: str = TOKEN, **changes: object) -> ConnectionSettings:
        return settings(
            f"http://127.0.0.1:{port or self.port}/v1",
            changes,
            options={"openapi": DOCUMENT},
            headers={"Authorization": f"Bearer {token}"},
            secrets=(token,),
        )

    def fetched(self, **changes: object) -> ConnectionSettings:
        """This will be a connection whose document is fetched."""
        url = self.api.server.url_for("/v1/openapi.json")
        return self.connection(options={"openapi_url": url}, **changes)

    def wrong_login(self) -> ConnectionSettings:
        return self.connection(token=SECRET)

    def inputs(self) -> Mapping[str, object]:
        return {"operation": "createCharge", "body": {"word": f"cut-here {self.unique()}", "amount": 12.5}}

    def check(self, output: Any) -> None:
        assert output["status"] == 201
        assert output["body"]["amount"] == "12.50"

    def effects(self) -> int:
        return len(self.api.created)

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        listed = {"operation": "listCharges"}
        swagger = self.connection(options={"openapi": {"swagger": "2.0"}})
        create = {"operation": "createCharge"}
        return (
            Case(inputs={"operation": "none"}, connection=works, says="it has createCharge, getCharge, listCharges"),
            Case(inputs=create, connection=works, says="needs a body"),
            Case(inputs={**create, "body": {"word": 7}}, connection=works, says="with/body/word"),
            Case(inputs={**create, "body": {"word": "a", "amount": -1}}, connection=works, says="with/body/amount"),
            Case(inputs={**listed, "parameters": {"colour": "red"}}, connection=works, says="parameters/colour"),
            Case(inputs={**listed, "parameters": {"state": "lost"}}, connection=works, says="parameters/state"),
            Case(inputs={"operation": "getCharge"}, connection=works, says="parameters/id: is required"),
            Case(inputs={"operation": "getCharge", "parameters": {"id": ".."}}, connection=works, says=r"'\.\.'"),
            Case(
                inputs={"operation": "getCharge", "parameters": {"id": "odd"}},
                connection=works,
                says="the call happened",
            ),
            Case(inputs=create, connection=swagger, says="swagger 2.0"),
            Case(inputs=create, connection=self.connection(options={}), says="openapi_url"),
        )

    def throttled(self) -> Iterator[Case]:
        yield Case(inputs={"operation": "createCharge", "body": {"word": "429"}}, connection=self.connection())

    def too_large(self) -> Case:
        inputs = {"operation": "createCharge", "body": {"word": "large"}}
        return Case(inputs=inputs, connection=self.connection(max_response_bytes=1_000), says="1000 bytes")
