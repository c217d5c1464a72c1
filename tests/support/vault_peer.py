"""A peer on loopback that speaks the HTTP API of HashiCorp Vault as far as secrets are read: KV 2, leases, AppRole.

Status codes and bodies are those of its API documentation: 404 with an empty list of errors where nothing is, 404 with
metadata where a version is deleted, 403 `permission denied`, 503 `Vault is sealed`.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


@dataclass
class VaultPeer:
    """What it holds, whom it lets in, and how often it was asked."""

    kv: dict[str, dict[str, str]] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    dynamic: dict[str, float] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {"root-token"})
    roles: dict[str, str] = field(default_factory=dict)
    is_sealed: bool = False
    asked: list[str] = field(default_factory=list)
    counter: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def serve(self, server: HTTPServer) -> str:
        """This will answer on a server, and give the address of Vault there."""
        server.expect_request("/v1/auth/approle/login", method="POST").respond_with_handler(self._log_in)
        server.expect_request(_Below("/v1/"), method="GET").respond_with_handler(self._read)
        return server.url_for("").rstrip("/")

    def _read(self, request: Request) -> Response:
        path = request.path.removeprefix("/v1/")
        self.asked.append(path)
        if self.is_sealed:
            return _answer(503, {"errors": ["Vault is sealed"]})
        if request.headers.get("X-Vault-Token") not in self.tokens:
            return _answer(403, {"errors": ["permission denied"]})
        if path.startswith("secret/data/"):
            return self._kv(path.removeprefix("secret/data/"))
        if path in self.dynamic:
            number = next(self.counter)
            data = {"username": f"v-app-{number}", "password": f"made-{number}-for-you"}
            lease = {"lease_id": f"{path}/{number}", "lease_duration": self.dynamic[path], "renewable": True}
            return _answer(200, {**lease, "data": data})
        return _answer(404, {"errors": []})

    def _kv(self, path: str) -> Response:
        metadata = {"version": 1, "deletion_time": "", "destroyed": False}
        if path in self.deleted:
            gone = {"data": None, "metadata": {**metadata, "deletion_time": "2026-03-01T12:00:00Z"}}
            return _answer(404, {"data": gone})
        if path not in self.kv:
            return _answer(404, {"errors": []})
        return _answer(200, {"lease_duration": 0, "data": {"data": self.kv[path], "metadata": metadata}})

    def _log_in(self, request: Request) -> Response:
        self.asked.append("login")
        if self.is_sealed:
            return _answer(503, {"errors": ["Vault is sealed"]})
        given = orjson.loads(request.get_data())
        if self.roles.get(given["role_id"]) != given["secret_id"]:
            return _answer(400, {"errors": ["invalid role or secret ID"]})
        token = f"token-{next(self.counter)}"
        self.tokens.add(token)
        return _answer(200, {"auth": {"client_token": token, "lease_duration": 3600, "renewable": True}})


class _Below(str):
    """Matches every path below one."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other.startswith(str(self))

    __hash__: Callable[[str], int] = str.__hash__  # type: ignore[assignment]


def _answer(status: int, document: object) -> Response:
    return Response(orjson.dumps(document), status=status, content_type="application/json")
