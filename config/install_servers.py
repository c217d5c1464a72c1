"""Installs what `make test` needs on a fresh Debian as root; elsewhere it only says what is missing.

No service is started: the tests run the programs themselves, on ports of their own.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from config.servers.binaries import find_missing_packages

_NO_AUTOSTART = Path("/usr/sbin/policy-rc.d")
_REFUSE = "#!/bin/sh\nexit 101\n"


def main(arguments: Sequence[str] = ()) -> int:
    """This will return 0 when all three servers are installed, with `--peers` what the adapters' tests call too."""
    with_peers = "--peers" in arguments
    missing = find_missing_packages(with_peers=with_peers)
    if missing and _can_install():
        _install(missing)
        missing = find_missing_packages(with_peers=with_peers)
    if missing:
        command = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
        print(
            f"missing: {', '.join(missing)}. On Debian or Ubuntu, as root: {command}\n"
            "Elsewhere install PostgreSQL 15, Redis 6.2 (or Valkey) and RabbitMQ 3.10, or newer"
            f"{', and MariaDB, OpenSSH and Chromium' if with_peers else ''}.",
            file=sys.stderr,
        )
    return 1 if missing else 0


def _can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install(packages: tuple[str, ...]) -> None:
    """Debian starts a server when it installs it, unless this policy says no; ours is taken away again."""
    print(f"installing {', '.join(packages)}", file=sys.stderr)
    is_ours = not _NO_AUTOSTART.exists()
    if is_ours:
        _NO_AUTOSTART.write_text(_REFUSE)
        _NO_AUTOSTART.chmod(0o755)
    try:
        _apt("update", "-qq")
        _apt("install", "-y", "-qq", "--no-install-recommends", *packages)
    finally:
        if is_ours:
            _NO_AUTOSTART.unlink()


def _apt(*args: str) -> None:
    subprocess.run(
        ["apt-get", *args],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,  # `main` looks at what is there afterwards
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
