"""A private OpenSSH server for the tests of SSH connections; it lets in the account that runs it, by key."""

import getpass
import os
import socket
from pathlib import Path

import asyncssh

from config.servers.children import Program
from config.servers.guard import Guard
from config.servers.server import Server


class Sshd(Server):
    """OpenSSH on a port of loopback, with a host key and a user key made for it."""

    name = "OpenSSH"

    def __init__(self, *, directory: Path, guard: Guard, binary: Path, port: int) -> None:
        super().__init__(directory=directory, guard=guard)
        self._binary = binary
        self.port = port
        self.user = getpass.getuser()
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")

    @property
    def url(self) -> str:
        return f"ssh://127.0.0.1:{self.port}"

    @property
    def host_key(self) -> str:
        """This will be the public key of the host, as `ssh-keyscan` prints it."""
        return self._host_key.export_public_key().decode().strip()

    def prepare(self) -> None:
        """This will write its keys and its configuration."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # Debian's sshd wants an empty folder of root
        host_key, users = self.directory / "host_key", self.directory / "authorized_keys"
        host_key.touch(mode=0o600)
        host_key.write_bytes(self._host_key.export_private_key())
        users.write_bytes(self.user_key.export_public_key())
        (self.directory / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {host_key}\nAuthorizedKeysFile {users}\n"
            "PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nPermitRootLogin yes\n"
            "Subsystem sftp internal-sftp\nMaxStartups 100\nLogLevel ERROR\n"
        )

    def program(self) -> Program:
        return Program(
            name=self.name,
            args=[str(self._binary), "-D", "-e", "-f", str(self.directory / "config")],
            env={"PATH": os.environ.get("PATH", os.defpath)},
            log_path=self.directory / "log",
        )

    def is_ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as client:
                return client.recv(3) == b"SSH"
        except OSError:
            return False
