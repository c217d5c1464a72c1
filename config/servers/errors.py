"""What can go wrong with private servers.

ServersError
├── BinaryMissing      a program is neither in a wheel nor on the system
└── ServerFailed       a server did not start or did not stop as it should
"""

from pathlib import Path


class ServersError(Exception):
    """Anything this package raises on purpose."""


class BinaryMissing(ServersError):
    """A server's program was found nowhere; `packages` are the Debian packages that bring it."""

    def __init__(self, *, server: str, searched: tuple[str, ...], packages: tuple[str, ...]) -> None:
        super().__init__(
            f"{server} was found nowhere (searched: {', '.join(searched)}). "
            f"On Debian or Ubuntu: apt-get install -y --no-install-recommends {' '.join(packages)}"
        )
        self.server = server
        self.packages = packages


class ServerFailed(ServersError):
    """A server did not do what it was told; the message ends with the tail of its log."""

    def __init__(self, *, server: str, what: str, log_path: Path) -> None:
        super().__init__(f"{server} {what}; end of {log_path}:\n{_tail(log_path)}")
        self.server = server
        self.log_path = log_path


def _tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
    except OSError as error:
        return f"(no log: {error})"
