"""PostgreSQL, RabbitMQ and Redis together in one folder that is deleted at the end; nothing here is kept."""

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from config.servers.binaries import find_postgres, find_rabbitmq, find_redis
from config.servers.guard import Guard
from config.servers.ports import free_port
from config.servers.postgres import Postgres
from config.servers.rabbitmq import RabbitMQ
from config.servers.redis import Redis
from config.servers.server import Server
from integrations.secret_stores.keys import KEY_BYTES, new_key

_PREFIX = "automation-private-"


class PrivateServers:
    """The three servers on free loopback ports. `durable` keeps PostgreSQL's fsync, for measurements."""

    def __init__(self, *, durable: bool = False) -> None:
        programs = (
            find_postgres(prefer_system=True),
            find_redis(prefer_system=True),
            find_rabbitmq(),
        )
        _remove_abandoned()
        self.directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = _lock(self.directory)
        self._guard = Guard(keep_open=(self._lock,))
        self._guard.remove_at_end(self.directory)
        postgres, redis, script = programs
        self.postgres = Postgres(
            directory=self.directory / "postgres",
            guard=self._guard,
            binaries=postgres,
            sockets=self.directory / "s",
            port=free_port(),
            password=secrets.token_hex(16),
            durable=durable,
        )
        self.redis = Redis(
            directory=self.directory / "redis",
            guard=self._guard,
            binary=redis,
            port=free_port(),
            password=secrets.token_hex(16),
            durable=durable,
        )
        self.rabbitmq = RabbitMQ(
            directory=self.directory / "rabbitmq",
            guard=self._guard,
            script=script,
            port=free_port(),
            password=secrets.token_hex(16),
        )
        if self.postgres.drops_privileges:
            self.directory.chmod(0o711)

    def __enter__(self) -> Self:
        try:
            for server in self.all:
                server.launch()
            for server in self.all:
                server.wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def all(self) -> Sequence[Server]:
        """This will be the servers, slowest to start first."""
        return self.rabbitmq, self.postgres, self.redis

    @property
    def guard(self) -> Guard:
        """This will be the guard, for what else must not outlive us."""
        return self._guard

    @property
    def environment(self) -> Mapping[str, str]:
        """This will be what a process needs to use the servers, with a secret key made for it."""
        return {
            "DATABASE_URL": self.postgres.url,
            "BROKER_URL": self.rabbitmq.url,
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": secrets.token_urlsafe(48),
            "SECRETS_KEYS": new_key(key_id="test", random=secrets.token_bytes(KEY_BYTES)),
            "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
            "HTTPS": "false",
        }

    def close(self) -> None:
        """This will end the servers at once and delete their data."""
        for server in self.all:
            server.kill()
        self._guard.close()
        os.close(self._lock)


def _lock(directory: Path) -> int:
    descriptor = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return descriptor


def _remove_abandoned() -> None:
    """A machine that lost power leaves folders whose lock nobody holds."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(directory / "lock", os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(directory, ignore_errors=True)
            finally:
                os.close(descriptor)
