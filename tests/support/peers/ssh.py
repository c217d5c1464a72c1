"""OpenSSH as the peer of `ssh.run`, `sftp.get` and `sftp.put`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncssh

from config.servers.binaries import find_sshd
from config.servers.ports import free_port
from integrations.adapters.ssh import get, put, run
from integrations.contract import ConnectionSettings
from tests.support.peers.contract import Case, Peer, settings
from tests.support.peers.sshd import Sshd


class _SshPeer(Peer):
    """One server and one folder for all three."""

    extra = "ssh"

    @property
    def server(self) -> Sshd:
        """This will be the session's OpenSSH."""

        def make(folder: Path) -> Sshd:
            server = Sshd(directory=folder, guard=self.services.guard, binary=find_sshd(), port=free_port())
            server.start()
            return server

        return self.services.once("sshd", make, end=lambda server: server.kill())

    @property
    def folder(self) -> Path:
        """This will be where the files of this peer are."""
        return self.services.once(f"files-{self.id}", lambda folder: folder)

    @property
    def port(self) -> int:
        return self.server.port

    def connection(self, *, port: int | None = None, **changes: object) -> ConnectionSettings:
        return settings(
            f"ssh://127.0.0.1:{port or self.port}",
            changes,
            options={"user": self.server.user, "host_keys": [self.server.host_key]},
            secret_values={"private_key": self.server.user_key.export_private_key().decode()},
        )

    def wrong_login(self) -> ConnectionSettings:
        stranger = asyncssh.generate_private_key("ssh-ed25519")
        return self.connection(secret_values={"private_key": stranger.export_private_key().decode()})

    def wrong_host(self) -> ConnectionSettings:
        """This will be a connection that knows another host under this address."""
        other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
        return self.connection(options={"user": self.server.user, "host_keys": [other]})

    def effects(self) -> int:
        return sum(1 for path in self.folder.iterdir() if path.suffix == ".done")


class Run(_SshPeer):
    """`ssh.run`: each run makes a file named after its key."""

    id = "ssh.run"
    adapter = run
    changes = True

    def inputs(self) -> Mapping[str, object]:
        folder = self.folder
        return {
            "command": 'name=$(echo "$AUTOMATION_IDEMPOTENCY_KEY" | sha256sum | cut -c1-20); '
            f"touch {folder}/$name.done; cat; printf %s",
            "args": ["it's; $(touch here)", 7],
            "stdin": "in ",
            "idempotency": "key",
        }

    def check(self, output: Any) -> None:
        assert output == {"exit_status": 0, "stdout": "in it's; $(touch here)7", "stderr": ""}

    def wrong(self) -> Sequence[Case]:
        bad = self.connection(secret_values={"private_key": "bm8ga2V5"})
        return (
            Case(inputs={"command": "exit 3"}, connection=self.connection(), says="exit code 3"),
            Case(inputs={"command": "true"}, connection=self.wrong_host(), says="not the one we know"),
            Case(inputs={"command": "true"}, connection=bad, says="private_key"),
        )

    @contextmanager
    def cut(self) -> Iterator[Case]:
        command = f"touch {self.folder}/{self.unique()}.done; kill -9 $PPID"
        yield Case(inputs={"command": command}, connection=self.connection())

    def too_large(self) -> Case:
        connection = self.connection(max_response_bytes=1000)
        return Case(inputs={"command": "yes"}, connection=connection, says="1000 bytes")


class Get(_SshPeer):
    """`sftp.get` of a file that is there."""

    id = "sftp.get"
    adapter = get

    def inputs(self) -> Mapping[str, object]:
        path = self.folder / self.unique()
        path.write_text("grüße")
        return {"path": str(path)}

    def check(self, output: Any) -> None:
        assert output["content"] == "grüße"
        assert output["size_bytes"] == 7
        assert output["sha256"] == sha256("grüße".encode()).hexdigest()

    def wrong(self) -> Sequence[Case]:
        raw = self.folder / "raw"
        raw.write_bytes(b"\xff\0")
        return (
            Case(inputs={"path": str(self.folder / "none")}, connection=self.connection(), says="no such file"),
            Case(inputs={"path": str(raw)}, connection=self.connection(), says="base64"),
            Case(inputs={"path": str(raw)}, connection=self.wrong_host(), says="not the one we know"),
        )

    def too_large(self) -> Case:
        connection = self.connection(max_response_bytes=3)
        return Case(inputs=self.inputs(), connection=connection, says="3 bytes")


class Put(_SshPeer):
    """`sftp.put` of a new file."""

    id = "sftp.put"
    adapter = put
    changes = True

    def inputs(self) -> Mapping[str, object]:
        return {"path": str(self.folder / f"{self.unique()}.done"), "content": "grüße" * 40_000, "if_exists": "refuse"}

    def check(self, output: Any) -> None:
        assert Path(output["path"]).read_text() == "grüße" * 40_000
        assert output["size_bytes"] == 280_000
        assert [path.name for path in self.folder.glob(".*")] == []

    def wrong(self) -> Sequence[Case]:
        there = self.folder / "there"
        there.write_text("old")
        nowhere = str(self.folder / "none" / "file")
        works = self.connection()
        return (
            Case(inputs={"path": nowhere, "content": ""}, connection=works, says="no such file"),
            Case(
                inputs={"path": str(there), "content": "new", "if_exists": "refuse"}, connection=works, says="already"
            ),
            Case(inputs={"path": str(there), "content": "=", "encoding": "base64"}, connection=works, says="base64"),
        )
