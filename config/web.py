"""The program of a web process: admin and API, until SIGTERM; how it ends is said in `config/serving.py`.

python -m config.web --host 0.0.0.0 --port 8000
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from granian.constants import Interfaces

from config.env import WrongSettings
from config.serving import Serving, serve


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """What a program serves, and what its arguments are without being said."""

    target: str
    kind: str
    interface: Interfaces
    port: int
    most: int
    about: str


_SITE = Served(
    target="config.wsgi:application",
    kind="web",
    interface=Interfaces.WSGI,
    port=8000,
    most=64,
    about="Serve the admin and the API.",
)


def main(argv: Sequence[str]) -> int:
    """This will serve; exit code 2 when the settings are wrong."""
    return run(argv, served=_SITE)


def run(argv: Sequence[str], *, served: Served) -> int:
    """This will serve something by these arguments; exit code 2 when the settings are wrong."""
    options = _parse(argv, served=served)
    serving = Serving(
        target=served.target,
        kind=served.kind,
        interface=served.interface,
        host=options.host,
        port=options.port,
        listener=options.fd,
        threads=options.threads,
        most=options.most,
        drain_s=options.drain,
    )
    try:
        serve(serving)
    except WrongSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def command(*, listener: int, drain_s: float) -> Sequence[str]:
    """This will be how to start it on a socket that is handed in: what follows the Python interpreter."""
    return ["-m", "config.web", "--fd", str(listener), "--drain", f"{drain_s:g}"]


def _parse(argv: Sequence[str], *, served: Served) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m config.{served.kind}", description=served.about)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=served.port, help="port to listen on")
    parser.add_argument("--fd", type=int, help="a listening socket that was handed in, in place of host and port")
    parser.add_argument("--threads", type=_count, default=4, help="requests performed at once")
    parser.add_argument("--most", type=_count, default=served.most, help="requests taken at once: others are told 503")
    parser.add_argument(
        "--drain", type=_seconds, default=5.0, help="seconds from SIGTERM until the socket is closed: see the manual"
    )
    return parser.parse_args(argv)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 to 3600")
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
