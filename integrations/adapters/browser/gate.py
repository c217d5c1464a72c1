"""The only way of a browser to the network: a proxy on loopback that opens sockets to checked addresses alone.

It lives as long as one call. TLS passes through it unread.
"""

import secrets
import selectors
import socket
import threading
from base64 import b64encode
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from integrations import endpoints
from integrations.contract import ConnectionSettings
from integrations.endpoints import Deadline, Endpoint
from integrations.errors import CallFailed

_LONGEST_HEAD = 65_536
_CHUNK_BYTES = 65_536
_USER = "browser"


class Gate:
    """A proxy for one browser, which alone knows its password; `refused` are the hosts it did not lead to."""

    def __init__(self, connection: ConnectionSettings, *, deadline: Deadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._is_closed = False
        self.user = _USER
        self.password = secrets.token_hex(16)
        self.refused: dict[str, str] = {}
        self._wanted = b"basic " + b64encode(f"{_USER}:{self.password}".encode()).lower()
        threading.Thread(target=self._serve, name="browser-gate", daemon=True).start()

    @property
    def url(self) -> str:
        """This will be where the proxy listens."""
        return f"http://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        for opened in (self._server, *tuple(self._open)):
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while not self._is_closed:
                client, _ = self._server.accept()
                threading.Thread(target=self._converse, args=(client,), name="browser-gate", daemon=True).start()

    def _converse(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            with client, suppress(OSError, ValueError):
                client.settimeout(self._deadline.left_s or 0.001)
                head, rest = _head(client)
                self._lead(client, head=head, rest=rest)
        finally:
            self._open.discard(client)

    def _lead(self, client: socket.socket, *, head: bytes, rest: bytes) -> None:
        line, *fields = head.split(b"\r\n")
        method, where, version = line.split(b" ", 2)
        if not any(self._knows(field) for field in fields):
            client.sendall(b'HTTP/1.1 407 Who\r\nProxy-Authenticate: Basic realm="gate"\r\nContent-Length: 0\r\n\r\n')
            return
        is_tunnel = method == b"CONNECT"
        target, path = _target(where.decode("ascii"), is_tunnel=is_tunnel)
        try:
            peer = endpoints.connect(target, connection=self._connection, timeout_s=self._deadline.left_s)
        except CallFailed as failure:
            self.refused[str(target)] = failure.message
            client.sendall(b"HTTP/1.1 502 Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with peer:
            self._open.add(peer)
            try:
                if is_tunnel:
                    client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
                    peer.sendall(rest)
                else:
                    kept = [field for field in fields if not field.lower().startswith((b"proxy-", b"connection:"))]
                    lines = (b" ".join((method, path.encode("ascii"), version)), *kept, b"Connection: close", b"", b"")
                    peer.sendall(b"\r\n".join(lines) + rest)
                self._pass_on(client, peer)
            finally:
                self._open.discard(peer)

    def _knows(self, field: bytes) -> bool:
        name, _, value = field.partition(b":")
        if name.strip().lower() != b"proxy-authorization":
            return False
        return secrets.compare_digest(value.strip().lower(), self._wanted)

    def _pass_on(self, client: socket.socket, peer: socket.socket) -> None:
        other = {client: peer, peer: client}
        with selectors.DefaultSelector() as selector:
            for opened in other:
                selector.register(opened, selectors.EVENT_READ)
            while not self._deadline.has_passed:
                for key, _ in selector.select(self._deadline.left_s):
                    here = client if key.fileobj is client else peer
                    data = here.recv(_CHUNK_BYTES)
                    if not data:
                        return
                    other[here].sendall(data)


def _head(client: socket.socket) -> tuple[bytes, bytes]:
    """The lines of a request, and what came behind them. Raises ValueError when they do not end."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = client.recv(_CHUNK_BYTES)
        if not part or len(data) > _LONGEST_HEAD:
            raise ValueError("the request does not end")
        data += part
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _target(where: str, *, is_tunnel: bool) -> tuple[Endpoint, str]:
    """Where a request goes, and the path it asks for there. Raises ValueError when it says neither."""
    parts = urlsplit(f"//{where}" if is_tunnel else where)
    if not parts.hostname:
        raise ValueError(f"{where!r} names no host")
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    port = parts.port or (443 if is_tunnel else 80)
    return Endpoint(scheme="tcp", host=parts.hostname, port=port), path
