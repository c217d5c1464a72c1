"""A private Redis or Valkey under one folder; it never listens beyond loopback or its own socket."""

import os
import signal
from pathlib import Path

import redis

from config.servers.children import Program
from config.servers.guard import Guard
from config.servers.server import Server


class Redis(Server):
    """Redis on a port with a password, or on `socket` alone; `durable` keeps an append-only file."""

    name = "Redis"

    def __init__(
        self,
        *,
        directory: Path,
        guard: Guard,
        binary: Path,
        socket: Path | None = None,
        port: int = 0,
        password: str = "",
        durable: bool = True,
    ) -> None:
        super().__init__(directory=directory, guard=guard)
        self._binary = binary
        self._socket = socket
        self._port = port
        self._password = password
        self._durable = durable

    @property
    def url(self) -> str:
        """This will be a URL in redis-py's terms."""
        if self._socket is not None:
            return f"unix://{self._socket}?db=0"
        return f"redis://default:{self._password}@127.0.0.1:{self._port}/0"

    def prepare(self) -> None:
        """This will write the configuration: the password must not show in the list of processes."""
        config = self.directory / "redis.conf"
        config.touch(mode=0o600)
        config.write_text("\n".join(self._configuration()) + "\n")

    def program(self) -> Program:
        """This will be the server; it saves what it must on SIGTERM."""
        return Program(
            name=self.name,
            args=[str(self._binary), str(self.directory / "redis.conf")],
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            log_path=self.directory / "log",
            orphan_signal=signal.SIGTERM if self._durable else signal.SIGKILL,
        )

    def is_ready(self) -> bool:
        """This will tell whether it answers."""
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def wipe(self) -> None:
        """This will lose all its data, as a restart without persistence would."""
        with redis.Redis.from_url(self.url, socket_timeout=10) as client:
            client.flushall()

    def _configuration(self) -> list[str]:
        where = [f"unixsocket {self._socket}", "unixsocketperm 700"] if self._socket else ["bind 127.0.0.1"]
        return [
            *where,
            f"port {self._port}",
            *([f"requirepass {self._password}"] if self._password else []),
            f"dir {self.directory}",
            'save ""',
            f"appendonly {'yes' if self._durable else 'no'}",
            "maxmemory-policy noeviction",  # what it holds is asked for again, never guessed
            "loglevel warning",
        ]
