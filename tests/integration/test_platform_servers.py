"""The private servers: that each can be reached, broken and mended, and that nothing of them is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from django.db import OperationalError, connection
from kombu import Connection, Queue

from tests.support.environment import ROOT
from tests.support.servers import RemoteServers
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("database")


def test_database_belongs_to_a_role_without_superuser_rights() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, True)


def test_postgres_answers_again_when_it_was_killed_and_started(servers: RemoteServers) -> None:
    servers.postgres.kill()
    with pytest.raises(OperationalError), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    servers.postgres.start()
    connection.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_redis_has_lost_everything_when_it_was_wiped(servers: RemoteServers) -> None:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        client.set("key", "value")
        servers.redis.wipe()
        assert client.get("key") is None


def test_rabbitmq_has_lost_its_queues_when_it_was_wiped(servers: RemoteServers) -> None:
    with Connection(os.environ["BROKER_URL"]) as link:
        Queue("kept")(link.channel()).declare()
    servers.rabbitmq.wipe()
    with Connection(os.environ["BROKER_URL"]) as link, pytest.raises(link.channel_errors, match="NOT_FOUND"):
        Queue("kept")(link.channel()).queue_declare(passive=True)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_private_services_leave_nothing_behind_when_they_are_ended(number: signal.Signals, tmp_path: Path) -> None:
    command = ["sh", "-c", "echo $PRIVATE_SERVICES > started; exec sleep 600"]
    process = subprocess.Popen(
        [sys.executable, "-m", "config.private_services", "--", *command],
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    wait_until((tmp_path / "started").exists)
    process.send_signal(number)
    process.wait(timeout=120)
    wait_until(
        lambda: not list(tmp_path.glob("automation-private-*")),
        limit_s=300,
        what="the folder of the servers is gone",
    )
    assert _processes_that_mention(tmp_path) == []


def test_private_services_return_the_exit_code_of_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "config.private_services", "--", "sh", "-c", "exit 7"], cwd=ROOT, check=False
    )
    assert done.returncode == 7


def _processes_that_mention(path: Path) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(path) in line]
