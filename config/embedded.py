"""PostgreSQL and Valkey of the embedded profile, kept under one folder; it never opens a port for them."""

import fcntl
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from config.broker import celery_url
from config.servers.binaries import find_postgres, find_redis
from config.servers.errors import ServersError
from config.servers.guard import Guard
from config.servers.postgres import Postgres
from config.servers.redis import Redis
from integrations.secret_stores.keys import KEY_BYTES, new_key

_SOCKET_PATH_LIMIT_BYTES = 107  # of sockaddr_un on Linux; macOS has 103
_LONGEST_SOCKET_NAME = "/.s.PGSQL.5432.lock"
_LOCK_LIMIT_S = 20.0
_LOCK_POLL_S = 0.1


class AlreadyRunning(ServersError):
    """Another platform uses the same folder."""


class EmbeddedServers:
    """The two servers with their data under `directory`, which one process uses at a time."""

    def __init__(self, *, directory: Path) -> None:
        self._directory = directory.resolve()
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(self._directory)
        self.guard = Guard(keep_open=(self._lock,))
        sockets = _socket_directory(self._directory)
        self._postgres = Postgres(
            directory=self._directory / "postgres",
            guard=self.guard,
            binaries=find_postgres(),
            sockets=sockets / "postgres",
        )
        self._redis = Redis(
            directory=self._directory / "valkey",
            guard=self.guard,
            binary=find_redis(),
            socket=sockets / "valkey.sock",
        )
        if self._postgres.drops_privileges:
            for folder in (self._directory, sockets):
                folder.chmod(0o711)

    def start(self) -> None:
        """This will start both and return when they serve."""
        for server in (self._postgres, self._redis):
            server.launch()
        for server in (self._postgres, self._redis):
            server.wait_until_ready()

    def restart_dead(self) -> None:
        """This will start again what has died, the guard first."""
        self.guard.replace_when_dead()
        for server in (self._redis, self._postgres):
            if not server.is_running:
                server.start()

    def close(self) -> None:
        """This will end both cleanly, and let others use the folder."""
        self._redis.stop()
        self._postgres.stop()
        self.guard.close()
        os.close(self._lock)

    @property
    def environment(self) -> Mapping[str, str]:
        """This will be what a process needs to use them; the secret keys are made once and kept."""
        return {
            "DATABASE_URL": self._postgres.url,
            "BROKER_URL": celery_url(self._redis.url),  # Celery's command line reads it too, as it is,
            "REDIS_URL": self._redis.url,
            "SECRET_KEY": _kept(self._directory / "secret_key", make=lambda: secrets.token_urlsafe(48)),
            "SECRETS_KEYS": _kept(self._directory / "secrets_keys", make=_first_key),
        }


def _first_key() -> str:
    return new_key(key_id="first", random=os.urandom(KEY_BYTES))


def _kept(path: Path, *, make: Callable[[], str]) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
    return path.read_text()


def _lock(directory: Path) -> int:
    """The guard holds it too: it is free only when everything of the former owner has ended."""
    descriptor = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    deadline = time.monotonic() + _LOCK_LIMIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise AlreadyRunning(
                    f"another platform is running in {directory}: end it, or choose another folder"
                ) from None
            time.sleep(_LOCK_POLL_S)
        else:
            return descriptor


def _socket_directory(directory: Path) -> Path:
    """The path of a socket is short by law: a deep folder gets a private one elsewhere."""
    sockets = directory / "run"
    if len(str(sockets / "postgres")) + len(_LONGEST_SOCKET_NAME) > _SOCKET_PATH_LIMIT_BYTES:
        digest = hashlib.sha256(str(directory).encode()).hexdigest()[:12]
        sockets = Path(tempfile.gettempdir()) / f"automation-{os.geteuid()}-{digest}"
    sockets.mkdir(parents=True, exist_ok=True, mode=0o700)
    if sockets.stat().st_uid != os.geteuid():
        raise ServersError(f"{sockets} belongs to somebody else: remove it, or set TMPDIR to a folder of yours")
    return sockets
