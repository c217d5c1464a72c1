"""A server that answers `_bulk` as OpenSearch documents it: NDJSON, an answer for each item, versions, refusals.

https://docs.opensearch.org/latest/api-reference/document-apis/bulk/
"""

import gzip
import json
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

USER, PASSWORD = "feeder", "hush-hush"
_AUTHORIZATION = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
DROP = 0
"""As an answer: everything is taken, and the connection is lost before the answer."""


class SearchEngine:
    """One cluster in a thread. `answers` are given to the next requests in place of 200.

    `refuses` are ids that never fit, `busy` those that are answered with 429 once.
    """

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], tuple[int, Mapping[str, Any]]] = {}  # Any: JSON
        self.answers: deque[int] = deque()
        self.refuses: set[str] = set()
        self.busy: set[str] = set()
        self.requests = 0
        self.received = ""
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(120)

    @property
    def url(self) -> str:
        """This will be where it listens, with its password."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self._server.server_port}"

    def sources(self, index: str) -> Mapping[str, Mapping[str, Any]]:
        """This will give the documents of an index by id."""
        with self.lock:
            return {id_: source for (name, id_), (_, source) in self.documents.items() if name == index}

    def bulk(self, body: bytes) -> tuple[int, Mapping[str, Any]]:
        """This will carry out a request and give its answer."""
        if not body.endswith(b"\n"):
            return 400, _error("illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]")
        lines = [json.loads(line) for line in body.split(b"\n")[:-1]]
        items = [self._index(action["index"], source) for action, source in _pairs(lines)]
        errors = any("error" in item["index"] for item in items)
        return 200, {"took": 1, "errors": errors, "items": items}

    def _index(self, action: Mapping[str, Any], source: Mapping[str, Any]) -> Mapping[str, Any]:
        key = (action["_index"], action["_id"])
        told = {"_index": key[0], "_id": key[1]}
        if key[1] in self.busy:
            self.busy.discard(key[1])
            return {"index": {**told, "status": 429, **_error("rejected_execution_exception", "queue is full")}}
        if key[1] in self.refuses:
            return {"index": {**told, "status": 400, **_error("mapper_parsing_exception", "failed to parse field")}}
        assert action["version_type"] == "external_gte"
        before = self.documents.get(key)
        if before is not None and action["version"] < before[0]:
            why = f"current version [{before[0]}] is higher than the one provided [{action['version']}]"
            return {"index": {**told, "status": 409, **_error("version_conflict_engine_exception", why)}}
        self.documents[key] = (action["version"], source)
        result, status = ("created", 201) if before is None else ("updated", 200)
        return {"index": {**told, "_version": action["version"], "result": result, "status": status}}


def _pairs(lines: list[Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    return iter(list(zip(lines[::2], lines[1::2], strict=True)))


def _error(kind: str, reason: str) -> Mapping[str, Any]:
    return {"error": {"type": kind, "reason": reason}}


def _handler_of(engine: SearchEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            with engine.lock:
                engine.requests += 1
                engine.received += body.decode()
                status, answer = self._answer(body)
            if status == DROP:
                self.close_connection = True
                return
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _answer(self, body: bytes) -> tuple[int, Mapping[str, Any]]:
            if self.headers.get("Authorization") != _AUTHORIZATION:
                return 401, _error("security_exception", "no user")
            if self.path.partition("?")[0] != "/_bulk":
                return 405, _error("illegal_argument_exception", f"{self.path} is not known here")
            planned = engine.answers.popleft() if engine.answers else 200
            if planned not in (200, DROP):
                return planned, _error("circuit_breaking_exception", "not now")
            status, answer = engine.bulk(body)
            return (DROP if planned == DROP else status), answer

        def log_message(self, *_: object) -> None:
            """Nothing is to be printed."""

    return Handler
