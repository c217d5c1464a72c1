"""Prepares this process for tests that use Django; it lets no test near a database that is not private."""

import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import django
import pytest

from config.servers.control import SOCKET_VARIABLE

ROOT = Path(__file__).resolve().parent.parent.parent
DATABASE = f"automation_{os.getpid()}"
"""The database of this session, made by the fixture `database`."""

_NO_SERVERS = (
    "this test needs private PostgreSQL, RabbitMQ and Redis. Run it with:\n"
    "  make test\n"
    "  .venv/bin/python -m config.private_services -- .venv/bin/python -m pytest PATH"
)


def set_up_django() -> None:
    """This will point the settings at this session's database and set up Django, once.

    Without private servers the settings are those of tools that never connect: tests that need no server run.
    """
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        os.environ.setdefault("EXTRA_APPS", "tests.flows")
        is_private = SOCKET_VARIABLE in os.environ
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings" if is_private else "config.static_analysis"
        if is_private:
            os.environ["DATABASE_URL"] = _with_database(os.environ["DATABASE_URL"])
    django.setup()


def control_path() -> Path:
    """This will be the socket that commands the private servers; the test fails when there are none."""
    path = os.environ.get(SOCKET_VARIABLE)
    if path is None:
        pytest.fail(_NO_SERVERS, pytrace=False)
    return Path(path)


def _with_database(url: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{DATABASE}"))
