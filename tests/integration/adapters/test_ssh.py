"""What is peculiar to SSH: exit codes, passwords, and files that are never there by halves."""

import asyncio
import threading
from collections.abc import Iterator

import asyncssh
import pytest

from integrations.adapters.ssh import put, run
from integrations.errors import Refused, Unavailable, Unknown
from tests.support.peers import wires
from tests.support.peers.calls import attempt
from tests.support.peers.contract import SECRET, Services, settings
from tests.support.peers.ssh import Put, Run


class _Door(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("robot", "right-password")


@pytest.fixture
def with_passwords() -> Iterator[tuple[int, str]]:
    """This will be the port and the public key of a server that lets in by password."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            _Door, "127.0.0.1", 0, server_host_keys=[key], process_factory=lambda process: process.exit(0)
        )

    server = asyncio.run_coroutine_threadsafe(serve(), loop).result(10)
    yield server.get_port(), key.export_public_key().decode().strip()
    loop.call_soon_threadsafe(server.close)
    asyncio.run_coroutine_threadsafe(server.wait_closed(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(120)
    loop.close()


def test_run_logs_in_by_password(with_passwords: tuple[int, str]) -> None:
    port, key = with_passwords
    options = {"user": "robot", "host_keys": [key]}
    address = f"ssh://127.0.0.1:{port}"

    right = settings(address, {}, options=options, secret_values={"password": "right-password"})
    assert attempt(run, inputs={"command": "anything"}, connection=right)["exit_status"] == 0
    wrong = settings(address, {}, options=options, secret_values={"password": SECRET})
    with pytest.raises(Refused, match="did not let us in"):
        attempt(run, inputs={"command": "anything"}, connection=wrong)


def test_run_says_what_an_exit_code_means(services: Services) -> None:
    connection = Run(services).connection()

    with pytest.raises(Unavailable, match="exit code 75"):
        attempt(run, inputs={"command": "exit 75"}, connection=connection)
    with pytest.raises(Refused, match="exit code 2") as refused:
        attempt(run, inputs={"command": "echo why >&2; exit 2"}, connection=connection)
    assert refused.value.evidence["stderr"] == "why\n"
    assert attempt(run, inputs={"command": "exit 2", "expect_exit": [0, 2]}, connection=connection)["exit_status"] == 2
    with pytest.raises(Unknown, match="signal"):
        attempt(run, inputs={"command": "kill -9 $$"}, connection=connection)


def test_run_that_takes_too_long_is_unknown(services: Services) -> None:
    with pytest.raises(Unknown, match="the time was over, after it had begun") as failed:
        attempt(run, inputs={"command": "sleep 5"}, connection=Run(services).connection(), timeout_s=0.7)

    assert not failed.value.repeatable


def test_put_whose_connection_breaks_leaves_the_file_as_it_was(services: Services) -> None:
    peer = Put(services)
    place = peer.folder / "kept"
    place.write_text("old")
    inputs = {"path": str(place), "content": "n" * 2_000_000}

    with wires.cutting_after(peer.port, size_bytes=200_000) as port, pytest.raises(Unavailable):
        attempt(put, inputs=inputs, connection=peer.connection(port=port))

    assert place.read_text() == "old"
    (peer.folder / next(path.name for path in peer.folder.glob(".kept.*"))).unlink()
