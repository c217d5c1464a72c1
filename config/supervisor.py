"""`make up`: keeps the whole platform running in a terminal; it never writes a password to a file.

python -m config.supervisor up [--port 8000] [--intake-port 8001] [--workers 2] [--concurrency 2] [--var DIRECTORY]
python -m config.supervisor restart [--var DIRECTORY]
"""

import argparse
import secrets
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from config import restarting
from config.platform import ROOT, Platform
from config.restarting import Receiver
from config.servers.errors import ServersError

_ADMIN = "admin"


def main(argv: Sequence[str]) -> int:
    """This will run the platform until Ctrl-C, SIGTERM or the end of the terminal, or have one restarted."""
    options = _parse(argv)
    if options.command == "restart":
        return _restart(options.var)
    ending = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in ending:
        signal.signal(number, signal.default_int_handler)
    hooks_port = options.intake_port
    if hooks_port is None:
        hooks_port = options.port + 1 if options.port else 0
    try:
        platform = Platform(
            var_dir=options.var,
            workers=options.workers,
            concurrency=options.concurrency,
            web_port=options.port,
            intake_port=hooks_port,
        )
    except OSError as error:
        ports = f"{options.port} and {hooks_port}"
        print(f"the platform did not start: ports {ports}: {error}", file=sys.stderr)
        return 1
    try:
        receiver = Receiver(platform)
        with platform, receiver.receiving():
            _welcome(platform)
            receiver.serve()
    except KeyboardInterrupt:
        pass
    except ServersError as error:
        print(f"the platform did not start: {error}", file=sys.stderr)
        return 1
    print("ended; the data are kept in", platform.var_dir)
    return 0


def _restart(var_dir: Path) -> int:
    try:
        is_well, lines = restarting.ask(var_dir.resolve())
    except (restarting.NotRunning, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0 if is_well else 1


def _welcome(platform: Platform) -> None:
    print(f"admin:    {platform.url}/admin/")
    print(f"api:      {platform.url}/api/v1/")
    print(f"webhooks: {platform.hooks_url}NAME")
    password = _make_admin(platform)
    if password is None:
        print(f"sign in as {_ADMIN}; forgotten the password? delete {_stamp(platform)} and start again")
    else:
        print(f"sign in as {_ADMIN} with the password {password} (shown this once, stored nowhere)")
    print("logs:    ", platform.var_dir / "logs")
    print("Ctrl-C ends everything.", flush=True)


def _make_admin(platform: Platform) -> str | None:
    """Returns the password the first time, None ever after."""
    stamp = _stamp(platform)
    if stamp.exists():
        return None
    password = secrets.token_urlsafe(15)
    platform.manage("shell", "-v", "0", "-c", _SET_PASSWORD, env={"ADMIN_PASSWORD": password})
    stamp.touch()
    return password


_SET_PASSWORD = f"""
import os
from django.contrib.auth import get_user_model
user, _ = get_user_model().objects.update_or_create(
    username="{_ADMIN}", defaults={{"is_staff": True, "is_superuser": True, "is_active": True}}
)
user.set_password(os.environ["ADMIN_PASSWORD"])
user.save()
"""


def _stamp(platform: Platform) -> Path:
    return platform.var_dir / "postgres" / "admin_made"


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m config.supervisor", description=__doc__)
    parser.add_argument("command", choices=["up", "restart"])
    parser.add_argument("--port", type=int, default=8000, help="port of the site; 0 takes a free one")
    parser.add_argument("--intake-port", type=int, help="port for webhooks; the one after the site's, 0 a free one")
    parser.add_argument("--workers", type=int, default=2, help="worker processes")
    parser.add_argument("--concurrency", type=int, default=2, help="children of each worker")
    parser.add_argument("--var", type=Path, default=ROOT / "var", help="folder of all data")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
