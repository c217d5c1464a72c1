"""A till that steps charge over HTTP, on loopback: it takes the money of one key once, and often loses its answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from types import TracebackType
from typing import Self

from django.utils import timezone

from integrations import operations
from integrations.connections import ConnectionSpec
from tests.chaos.evidence import Charge
from tests.flows.driving import TESTER

CENTS = 100
_REFUSES, _DROPS = 0.1, 0.2


class Till:
    """Its own ledger is `charges`, one entry for each new key; it refuses some requests, and drops some answers."""

    def __init__(self, *, seed: int) -> None:
        self.charges: list[Charge] = []
        self._keys: set[str] = set()
        self._dice = Random(seed)
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def connect(self, name: str) -> str:
        """This will save the connection to it under a name, and give that."""
        url = f"http://127.0.0.1:{self._server.server_address[1]}"
        spec = ConnectionSpec(name=name, base_url=url, allow_private=True)
        operations.save_connection(spec=spec, actor=TESTER, now=timezone.now(), correlation_id="")
        return name

    def take(self, key: str, *, run: str) -> bool | None:
        """This will take the money of a key that is new; False: refused, None: done, and the answer is lost."""
        with self._lock:
            fate = self._dice.random()
            if fate < _REFUSES:
                return False
            if key not in self._keys:
                self._keys.add(key)
                self.charges.append(Charge(order_id=run, amount_cents=CENTS))
            return None if fate < _REFUSES + _DROPS else True


def _handler(till: Till) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_POST(self) -> None:
            """This will charge."""
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            done = till.take(self.headers["Idempotency-Key"], run=wanted["run"])
            if done is None:
                self.close_connection = True
                return
            body = json.dumps({"paid": CENTS}).encode()
            self.send_response(201 if done else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """This will keep quiet."""

    return Handler
