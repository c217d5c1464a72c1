"""A private MariaDB under one folder, for the tests of SQL connections; it listens on loopback only."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pymysql

from config.servers.children import Program
from config.servers.guard import Guard
from config.servers.launcher import find_launcher
from config.servers.server import Server

ROLE = DATABASE = "automation"
LIMITED = "limited"
"""A role without a password that may have one connection."""


class MariaDB(Server):
    """MariaDB with one database that belongs to a role with a password; its data may be lost in a crash."""

    name = "MariaDB"

    def __init__(self, *, directory: Path, guard: Guard, binary: Path, port: int, password: str) -> None:
        super().__init__(directory=directory, guard=guard)
        self._launcher = find_launcher()
        self._binary = binary
        self._port = port
        self._password = password

    @property
    def url(self) -> str:
        """This will be its address, with the role's password."""
        return f"mariadb://{ROLE}:{self._password}@127.0.0.1:{self._port}/{DATABASE}"

    def prepare(self) -> None:
        """This will make its system tables, and the role and database, once."""
        if self._data.exists():
            return
        self._launcher.own(self.directory)
        self._data.mkdir()
        self._launcher.own(self._data)
        command = ["mariadb-install-db", "--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]
        with (self.directory / "log").open("ab") as log:
            done = subprocess.run(
                [*self._launcher.prefix, *command, f"--datadir={self._data}", "--innodb-buffer-pool-size=16M"],
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
            raise self.failed(f"could not make its tables (mariadb-install-db returned {done.returncode})")
        (self.directory / "init.sql").write_text(
            f"CREATE DATABASE {DATABASE} CHARACTER SET utf8mb4;\n"
            f"CREATE USER {ROLE}@'%' IDENTIFIED BY '{self._password}';\n"
            f"GRANT ALL ON {DATABASE}.* TO {ROLE}@'%';\n"
            f"CREATE USER {LIMITED}@'%' WITH MAX_USER_CONNECTIONS 1;\n"
            f"GRANT SELECT ON {DATABASE}.* TO {LIMITED}@'%';\n"
        )

    def program(self) -> Program:
        """This will be the server itself."""
        first = [] if self._is_made else [f"--init-file={self.directory / 'init.sql'}"]
        return Program(
            name=self.name,
            args=[
                str(self._binary),
                "--no-defaults",
                f"--datadir={self._data}",
                f"--socket={self.directory / 'socket'}",
                f"--pid-file={self.directory / 'pid'}",
                f"--port={self._port}",
                "--bind-address=127.0.0.1",
                "--skip-name-resolve",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=32M",
                *first,
            ],
            env=_environment(),
            log_path=self.directory / "log",
            launcher=self._launcher,
        )

    def is_ready(self) -> bool:
        """This will tell whether our role can log in."""
        try:
            with pymysql.connect(
                host="127.0.0.1", port=self._port, user=ROLE, password=self._password, database=DATABASE
            ):
                return True
        except pymysql.err.OperationalError:
            return False

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _is_made(self) -> bool:
        return (self._data / DATABASE).exists()


def _environment() -> Mapping[str, str]:
    return {"PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8"}
