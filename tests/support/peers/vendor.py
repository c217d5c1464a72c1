"""What the peers of vendors' apps have in common: tokens that make a peer misbehave, whatever it is asked."""

import abc
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import ClassVar

from werkzeug import Request, Response
from werkzeug.serving import BaseWSGIServer, make_server

from integrations.contract import ConnectionSettings
from integrations.vendor import Action
from tests.support.peers.contract import SECRET, Case, Peer, settings

SLOW_DOWN, BROKEN, GARBLED = "slow-down", "broken", "garbled"
"""Parts of tokens: a peer answers them with its own 429, with 500, and with 200 and a page of HTML."""


class VendorPeer(Peer):
    """An action of an app with what speaks the vendor's wire format on loopback. `token` is what it believes."""

    adapter: ClassVar[Action]
    token: ClassVar[str]
    secret_name: ClassVar[str] = "token"
    patience_s = 0.1  # they are many, and all wait in one place

    @property
    def options(self) -> Mapping[str, object]:
        """This will be the options of a connection that works."""
        return {}

    def connection(self, *, port: int | None = None, token: str = "", **changes: object) -> ConnectionSettings:
        return settings(
            f"http://127.0.0.1:{port or self.port}{self.path}",
            changes,
            kind=self.adapter.kind,
            options=self.options,
            secret_values={self.secret_name: token or self.token},
        )

    @property
    def path(self) -> str:
        """This will be what stands behind the host in the base URL."""
        return ""

    def wrong_login(self) -> ConnectionSettings | None:
        return self.connection(token=f"{self.token[:8]}{SECRET}")

    def throttled(self) -> Iterator[Case]:
        yield Case(inputs=self.inputs(), connection=self.connection(token=f"{self.token[:8]}{SLOW_DOWN}"))

    def misbehaving(self, word: str) -> Case:
        """This will be a call to the peer that misbehaves in that way."""
        return Case(inputs=self.inputs(), connection=self.connection(token=f"{self.token[:8]}{word}"))

    def too_large(self) -> Case | None:
        small = replace(self.connection(), max_response_bytes=20)
        return Case(inputs=self.inputs(), connection=small, says="20 bytes")

    @property
    @abc.abstractmethod
    def port(self) -> int: ...


class Desk(abc.ABC):
    """A vendor's API of ours in a thread: what it speaks is from the vendor's documentation, word by word."""

    def __init__(self) -> None:
        self._server: BaseWSGIServer = make_server("127.0.0.1", 0, Request.application(self.respond), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port = int(self._server.server_port)

    @abc.abstractmethod
    def respond(self, request: Request) -> Response:
        """This will answer a request."""

    def stop(self) -> None:
        """This will end it."""
        self._server.shutdown()
        self._thread.join(120)
        self._server.server_close()


def answer(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """This will be an answer in JSON."""
    return Response(json.dumps(body), status=status, headers=headers, content_type="application/json")
