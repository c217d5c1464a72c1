"""A private PostgreSQL under one folder; it never listens beyond loopback or its own socket."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from config.servers.children import Program
from config.servers.guard import Guard
from config.servers.launcher import Launcher, can_reach, find_launcher
from config.servers.server import Server

ROLE = DATABASE = "automation"
_THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
}  # a crash of the process alone still loses nothing
_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",  # compiling costs more than our short statements take
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements may hold business data
    "timezone": "UTC",
}


class Postgres(Server):
    """PostgreSQL with one database that belongs to a role without superuser rights.

    With `port` it listens on 127.0.0.1 and asks for `password`; without, only on a socket that nobody but
    its owner can reach. `sockets` must be a short path: a socket's path has at most 107 bytes.
    """

    name = "PostgreSQL"

    def __init__(
        self,
        *,
        directory: Path,
        guard: Guard,
        binaries: Path,
        sockets: Path,
        port: int | None = None,
        password: str = "",
        durable: bool = True,
        launcher: Launcher | None = None,
    ) -> None:
        super().__init__(directory=directory, guard=guard)
        self._launcher = launcher or find_launcher()
        self._binaries = binaries
        self._sockets = sockets
        self._port = port
        self._password = password
        self._durable = durable

    @property
    def url(self) -> str:
        """This will be a URL that both libpq and Django's settings understand."""
        if self._port is None:
            return f"postgresql://{ROLE}@{quote(str(self._sockets), safe='')}/{DATABASE}"
        return f"postgresql://{ROLE}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    @property
    def admin_conninfo(self) -> str:
        """This will be the superuser's way in, through the socket only."""
        return f"host={self._sockets} port={self._port or 5432} user=postgres dbname=postgres"

    def prepare(self) -> None:
        """This will make the cluster with `initdb`, once."""
        self._sockets.mkdir(parents=True, exist_ok=True)
        self._launcher.own(self._sockets)
        if self.drops_privileges:
            self.directory.chmod(0o711)
        self._binaries = self._reachable_binaries()
        if (self._data / "PG_VERSION").exists():
            return
        shutil.rmtree(self._data, ignore_errors=True)  # the rest of an initdb that was interrupted
        self._data.mkdir()
        self._launcher.own(self._data)
        self._initdb()

    def program(self) -> Program:
        """This will be the server itself; SIGINT is its fast and clean shutdown."""
        listen = "" if self._port is None else "127.0.0.1"
        settings = _SETTINGS | ({} if self._durable else _THROW_AWAY) | {"listen_addresses": listen}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        port = str(self._port or 5432)
        return Program(
            name=self.name,
            args=[
                self._tool("postgres"),
                "-D",
                str(self._data),
                "-k",
                str(self._sockets),
                "-p",
                port,
                *options,
            ],
            env=_environment(),
            log_path=self.directory / "log",
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT if self._durable else signal.SIGKILL,
            launcher=self._launcher,
        )

    def is_ready(self) -> bool:
        """This will tell whether it serves, and make our role and database at the first time."""
        try:
            with psycopg.connect(self.admin_conninfo, autocommit=True, connect_timeout=5) as connection:
                self._make_database(connection)
        except psycopg.OperationalError:
            return False
        return True

    @property
    def drops_privileges(self) -> bool:
        """This will tell whether it runs as another user, who must be let through the folders above."""
        return self._launcher.user is not None

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _tool(self, name: str) -> str:
        return str(self._binaries / name)

    def _initdb(self) -> None:
        locale = "C.UTF-8" if sys.platform == "linux" else "C"
        command = [
            *self._launcher.prefix,
            *(
                self._tool("initdb"),
                "-D",
                str(self._data),
                "-U",
                "postgres",
                "-E",
                "UTF8",
                f"--locale={locale}",
            ),
            *("--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"),
            *(() if self._durable else ("--no-sync",)),
        ]
        with (self.directory / "log").open("ab") as log:
            done = subprocess.run(
                command,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._launcher.user,
                group=self._launcher.group,
                extra_groups=self._launcher.extra_groups,
                check=False,
            )
        if done.returncode != 0:
            raise self.failed(f"could not make its cluster (initdb returned {done.returncode})")

    def _make_database(self, connection: psycopg.Connection) -> None:
        role, database = sql.Identifier(ROLE), sql.Identifier(DATABASE)
        if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone() is None:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, sql.Literal(self._password or None))
            )
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))

    def _reachable_binaries(self) -> Path:
        """A dropped user cannot run programs under a closed home: it gets a copy."""
        if can_reach(path=self._binaries / "postgres", launcher=self._launcher):
            return self._binaries
        copy = self.directory / "programs"
        if not copy.exists():
            shutil.copytree(self._binaries.parent, copy, symlinks=True)
        return copy / self._binaries.name


def _environment() -> Mapping[str, str]:
    """The server needs no secret of ours, and PG* variables of the caller would mislead it."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8" if sys.platform == "linux" else "C",
    }
