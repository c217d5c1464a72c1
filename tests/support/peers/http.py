"""An HTTP API as the peer of `http.request`: it charges once for each key, and can say what was charged."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_httpserver import HTTPServer
from werkzeug import Request as Asked
from werkzeug import Response

from integrations.adapters import http_request
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import SECRET, Case, Peer, settings

TOKEN = "t0ken-of-the-shop"


class Shop:
    """Charges by key, in memory; the word of a charge says when it is to be answered otherwise."""

    def __init__(self) -> None:
        self.charges: dict[str, Mapping[str, object]] = {}
        self._lock = threading.Lock()
        self.server = HTTPServer(host="127.0.0.1", threaded=True)
        self.server.expect_request("/v1/charges", method="POST").respond_with_handler(self._charge)
        self.server.expect_request("/v1/found", method="GET").respond_with_handler(self._find)
        self.server.expect_request("/v1").respond_with_handler(self._door)
        self.server.start()

    def _door(self, request: Asked) -> Response:
        return Response(status=204 if _is_known(request) else 401)

    def _charge(self, request: Asked) -> Response:
        if not _is_known(request):
            return Response(f"who is {request.headers.get('Authorization')}", status=401)
        word = str(json.loads(request.data)["word"])
        if word.isdecimal():
            return Response("no", status=int(word), headers={"Retry-After": "2"})
        if word == "slow":
            time.sleep(1.5)
        key = request.headers.get("Idempotency-Key", word).strip('"')
        with self._lock:
            charge = self.charges.setdefault(key, {"id": f"ch_{len(self.charges)}", "amount": "12.50"})
        body = {**charge, "note": "x" * 5_000} if word == "large" else charge
        return Response(json.dumps(body), status=201, content_type="application/json")

    def _find(self, request: Asked) -> Response:
        found = self.charges.get(request.args["key"])
        return Response("none", status=404) if found is None else _json(found)


def _is_known(request: Asked) -> bool:
    return request.headers.get("Authorization") == f"Bearer {TOKEN}"


def _json(body: object) -> Response:
    return Response(json.dumps(body), content_type="application/json")


class Request(Peer):
    """`http.request` with a method that changes something, a key, and a way to look the charge up."""

    id = "http.request"
    adapter = http_request
    changes = True
    cut_at = b"cut-here"

    @property
    def shop(self) -> Shop:
        """This will be the session's shop."""
        return self.services.once("http", lambda _: Shop(), end=lambda shop: shop.server.stop())

    @property
    def port(self) -> int:
        return self.shop.server.port

    def connection(self, *, port: int | None = None, token: str = TOKEN, **changes: object) -> ConnectionSettings:
        return settings(
            f"http://127.0.0.1:{port or self.port}/v1",
            changes,
            headers={"Authorization": f"Bearer {token}"},
            secrets=(token,),
        )

    def wrong_login(self) -> ConnectionSettings:
        return self.connection(token=SECRET)

    def inputs(self) -> Mapping[str, object]:
        return self._inputs(f"cut-here {self.unique()}")

    def _inputs(self, word: str) -> Mapping[str, object]:
        look_up = {"path": "/found", "query": {"key": "{idempotency_key}"}}
        return {"method": "POST", "path": "/charges", "json": {"word": word}, "look_up": look_up}

    def check(self, output: Any) -> None:
        assert output["status"] in (200, 201)
        assert output["body"]["amount"] == "12.50"

    def effects(self) -> int:
        return len(self.shop.charges)

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        return (
            Case(inputs={"path": "/found", "query": {"key": "none"}}, connection=works, says="404"),
            Case(inputs={"path": "/../found"}, connection=works, says=r"'\.\.'"),
            Case(inputs={"url": "http://127.0.0.2/v1/found"}, connection=works, says="not below the connection"),
            Case(inputs={"path": "/found", "headers": {"Host": "other"}}, connection=works, says="host cannot be"),
            Case(inputs=self._inputs("422"), connection=works, says="422"),
        )

    def throttled(self) -> Iterator[Case]:
        yield Case(inputs=self._inputs("429"), connection=self.connection())

    def too_large(self) -> Case:
        return Case(
            inputs=self._inputs("large"), connection=self.connection(max_response_bytes=1_000), says="1000 bytes"
        )
