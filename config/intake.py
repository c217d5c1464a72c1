"""The program of an intake process: webhooks, until SIGTERM; how it ends is said in `config/serving.py`.

python -m config.intake --host 0.0.0.0 --port 8001
"""

import sys
from collections.abc import Sequence

from granian.constants import Interfaces

from config import web

_HOOKS = web.Served(
    target="config.asgi:application",
    kind="intake",
    interface=Interfaces.ASGI,
    port=8001,
    most=2048,
    about="Take webhooks in.",
)


def main(argv: Sequence[str]) -> int:
    """This will serve; exit code 2 when the settings are wrong."""
    return web.run(argv, served=_HOOKS)


def command(*, listener: int, drain_s: float) -> Sequence[str]:
    """This will be how to start it on a socket that is handed in: what follows the Python interpreter."""
    return ["-m", "config.intake", "--fd", str(listener), "--drain", f"{drain_s:g}"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
