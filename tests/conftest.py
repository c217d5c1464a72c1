"""Fixtures for all tests: the session's database, the private servers, real processes.

Rows are committed for real and never truncated (the audit is append-only), so a test looks only at rows of
its own runs.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.db import connections
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from config.servers.guard import Guard
from tests.support import database as session_database
from tests.support import environment
from tests.support.peers.contract import Services
from tests.support.processes import Processes
from tests.support.servers import RemoteServers

environment.set_up_django()  # before any test module imports a model
hypothesis_settings.load_profile("ci")  # the same examples each time; CONTRIBUTING.md says how to search for new ones


@pytest.fixture(scope="session")
def database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """This will be a migrated database that all tests of the session share, and an empty Redis."""
    environment.control_path()
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
    with django_db_blocker.unblock():
        session_database.make()
        yield
        session_database.drop()


@pytest.fixture(scope="session")
def django_db_setup(database: None) -> None:
    """This will have `pytest.mark.django_db` (a transaction rolled back at the end) use the same database."""


@pytest.fixture
def servers() -> Iterator[RemoteServers]:
    """This will be the handles of the private servers, which all run again when the test ends."""
    remote = RemoteServers(path=environment.control_path())
    yield remote
    remote.mend()
    connections.close_all()


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """This will end the session's processes even when pytest itself is killed."""
    guard = Guard()
    yield guard
    guard.close()


@pytest.fixture(scope="session")
def services(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """This will be what the peers of the adapters share; each is started when it is wanted first."""
    services = Services(directory=tmp_path_factory.mktemp("peers"), guard=guard)
    yield services
    services.end()


@pytest.fixture
def worker_processes(database: None, guard: Guard, tmp_path: Path) -> Iterator[Processes]:
    """This will start real workers and schedulers on demand, and end them with the test."""
    processes = Processes(directory=tmp_path, guard=guard)
    yield processes
    processes.end()
