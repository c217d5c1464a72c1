"""The adapter `http.request` against peers that break off, drip, hang or are not there at all."""

import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from integrations import http, http_exchange
from integrations.contract import CallContext, ConnectionSettings
from integrations.errors import CallFailed, Unavailable, Unknown
from tests.support import outbound
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("each_way")

Behaviour = Callable[[socket.socket], None]

COMPLETE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Peer:
    """A server that reads each request to its end and then does what its next behaviour says.

    `requests` are the requests as they came, `ports` the client's port of each connection, `closed` counts
    the connections this side has closed.
    """

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.ports: list[int] = []
        self.closed = 0
        self.behaviours: list[Behaviour] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._stopping, self._stopper = socket.socketpair()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        """This will be where the peer listens."""
        return int(self._server.getsockname()[1])

    def stop(self) -> None:
        """This will end the peer and wait until it has ended."""
        self._stopper.send(b"x")
        for thread in self._threads:
            thread.join(timeout=120)
            assert not thread.is_alive()
        for owned in (self._server, self._stopping, self._stopper):
            owned.close()

    def _serve(self) -> None:
        while self._comes(self._server):
            client, (_, port) = self._server.accept()
            self.ports.append(port)
            client.settimeout(5)
            thread = threading.Thread(target=self._converse, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _converse(self, client: socket.socket) -> None:
        with client:
            while request := self._read(client):
                self.requests.append(request)
                behaviour = self.behaviours.pop(0)
                with suppress(OSError):  # the caller goes away, as some tests want
                    behaviour(client)
                if behaviour is not answer:
                    break
        self.closed += 1

    def _read(self, client: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data or len(data.partition(b"\r\n\r\n")[2]) < _declared(data):
            part = client.recv(65536) if self._comes(client) else b""
            if not part:
                return b""
            data += part
        return data

    def _comes(self, awaited: socket.socket) -> bool:
        """This will wait until something comes, and tell that it does not when the peer is to stop."""
        return self._stopping not in select.select([awaited, self._stopping], [], [])[0]


def _declared(data: bytes) -> int:
    lines = data.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)


def answer(client: socket.socket) -> None:
    """This will answer completely and keep the connection."""
    client.sendall(COMPLETE)


def answer_and_close(client: socket.socket) -> None:
    """This will answer as one that keeps the connection, and yet close it."""
    client.sendall(COMPLETE)


def drop(client: socket.socket) -> None:
    """This will close the connection without a word."""


def reset(client: socket.socket) -> None:
    """This will reset the connection instead of closing it."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def break_off(client: socket.socket) -> None:
    """This will send half of the answer it announced."""
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")


def babble(client: socket.socket) -> None:
    """This will send what is not HTTP."""
    client.sendall(b"hello\r\n\r\n")


def drip_headers(client: socket.socket) -> None:
    """This will send an endless header, a byte at a time, until the caller goes away."""
    client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _drip(client, b"x")


def drip_body(client: socket.socket) -> None:
    """This will send an endless body, a byte at a time, until the caller goes away."""
    client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    _drip(client, b"1\r\nx\r\n")


def hang(client: socket.socket) -> None:
    """This will say nothing until the caller goes away."""
    client.recv(1)


def _drip(client: socket.socket, part: bytes) -> None:
    while not select.select([client], [], [], 0.02)[0]:
        client.sendall(part)


@pytest.fixture
def peer() -> Iterator[Peer]:
    """This will be a peer whose behaviours the test sets."""
    peer = Peer()
    yield peer
    peer.stop()


def attempt(
    *,
    base_url: str,
    timeout_s: float = 5.0,
    read_timeout_s: float = 5.0,
    inputs: Mapping[str, object] | None = None,
) -> object:
    """This will make one attempt; a POST unless the test says otherwise."""
    return outbound.request(
        inputs={"path": "/charges", "method": "POST", **(inputs or {})},
        connection=ConnectionSettings(
            name="shop", base_url=base_url, allow_private=True, read_timeout_s=read_timeout_s
        ),
        context=CallContext(
            idempotency_key="run-1/charge",
            timeout_s=timeout_s,
            attempt=1,
            run_id="run-1",
            step="charge",
            correlation_id="order-9",
        ),
    )


def attempt_at(peer: Peer, inputs: Mapping[str, object] | None = None) -> object:
    """This will make one attempt at the peer, of at most half a second."""
    return attempt(base_url=f"http://127.0.0.1:{peer.port}", timeout_s=0.5, inputs=inputs)


@pytest.mark.parametrize(
    "behaviour", [drop, reset, break_off, babble, drip_headers, drip_body, hang], ids=lambda act: act.__name__
)
@pytest.mark.parametrize(
    ("inputs", "failure", "repeatable"),
    [
        ({"method": "POST", "json": {"amount": 1}}, Unknown, True),
        ({"method": "POST", "idempotency": "none"}, Unknown, False),
        ({"method": "GET"}, Unavailable, True),
    ],
    ids=["post", "post-without-key", "get"],
)
def test_call_never_claims_to_know_when_a_request_was_sent_and_not_answered(
    peer: Peer,
    behaviour: Behaviour,
    inputs: Mapping[str, object],
    failure: type[CallFailed],
    repeatable: bool,
) -> None:
    peer.behaviours = [behaviour]

    with pytest.raises(failure) as failed:
        attempt_at(peer, inputs)

    assert type(failed.value) is failure
    assert failed.value.repeatable is repeatable
    assert len(peer.requests) == 1


@pytest.mark.parametrize("behaviour", [drip_headers, drip_body, hang], ids=lambda act: act.__name__)
def test_call_ends_at_its_deadline_however_the_peer_drags_it_out(peer: Peer, behaviour: Behaviour) -> None:
    peer.behaviours = [behaviour]
    started_at = time.monotonic()

    with pytest.raises(Unknown, match=r"within 0\.3 s"):
        attempt(base_url=f"http://127.0.0.1:{peer.port}", timeout_s=0.3, read_timeout_s=60)

    assert time.monotonic() - started_at < 20


def test_call_ends_at_the_read_timeout_of_the_connection_when_that_is_shorter(peer: Peer) -> None:
    peer.behaviours = [hang]
    started_at = time.monotonic()

    with pytest.raises(Unknown):
        attempt(base_url=f"http://127.0.0.1:{peer.port}", timeout_s=60, read_timeout_s=0.2)

    assert time.monotonic() - started_at < 20


def test_call_keeps_the_connection_alive_and_opens_another_when_the_peer_closed_it(peer: Peer) -> None:
    peer.behaviours = [answer, answer_and_close, answer]
    attempt_at(peer)
    attempt_at(peer)
    assert len(peer.ports) == 1
    wait_until(lambda: peer.closed, what="the peer has closed")

    attempt_at(peer)

    assert len(peer.ports) == 2
    assert len(peer.requests) == 3


def test_call_sends_one_host_header_with_the_name_of_the_url(peer: Peer) -> None:
    peer.behaviours = [answer]

    attempt(base_url=f"http://localhost:{peer.port}")

    lines = peer.requests[0].lower().split(b"\r\n")
    assert [line for line in lines if line.startswith(b"host:")] == [b"host: localhost:%d" % peer.port]


def test_call_is_unavailable_when_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(Unavailable, match="was not sent"):
        attempt(base_url=f"http://127.0.0.1:{port}")


def test_call_is_unavailable_when_the_name_is_unknown() -> None:
    with pytest.raises(Unavailable, match="was not sent"):
        attempt(base_url="http://nowhere.invalid", timeout_s=20)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """This will be a key and a certificate for localhost in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl to make a certificate")
    key, path = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(path)),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + key.read_bytes())
    return path


def test_call_checks_the_certificate_against_the_name_of_the_url_not_the_address(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    monkeypatch.setattr(http_exchange, "ssl_context", lambda: ssl.create_default_context(cafile=str(certificate)))
    http.close_connections()

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            client, _address = server.accept()
            try:
                with context.wrap_socket(client, server_side=True) as stream:
                    stream.recv(65536)
                    stream.sendall(COMPLETE.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n"))
            except OSError:
                client.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        port = server.getsockname()[1]
        output = attempt(base_url=f"https://localhost:{port}", inputs={"method": "GET"})
        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            attempt(base_url=f"https://127.0.0.1:{port}")
        thread.join(timeout=120)

    assert isinstance(output, dict)
    assert output["body"] == "ok"
    assert names[0] == "localhost"


FORKING = """
import os, sys
sys.path.insert(0, {root!r})
from integrations import http
from integrations.http_exchange import Limits, Outgoing
limits = Limits(timeout_s=5, allow_private=True)
outgoing = Outgoing(method="GET", url={url!r}, headers={{}}, content=None, limits=limits)
def send():
    return http.send(outgoing).status
assert send() == 200
child = os.fork()
if child == 0:
    os._exit(0 if send() == 200 else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""


def test_child_process_opens_its_own_connection_after_a_fork(peer: Peer) -> None:
    peer.behaviours = [answer, answer]
    root = Path(http.__file__).parent.parent
    code = FORKING.format(root=str(root), url=f"http://127.0.0.1:{peer.port}")

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)

    assert finished.returncode == 0, finished.stderr
    assert len(set(peer.ports)) == 2
