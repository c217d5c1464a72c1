"""The doctor finds what was really broken, and nothing of it after it was mended."""

import contextlib
import io
import json
from collections.abc import Collection, Iterator
from uuid import uuid4

import pytest
from celery import current_app
from django.core.management import call_command
from django.db import connection
from kombu import Connection, Queue

from config.settings import BROKER_URL
from tests.flows.driving import begin, call
from tests.support.servers import RemoteServers
from workflows import condition, registry


def ask() -> dict[str, list[str]]:
    """This will give where each kind of finding was found, as the command says it."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        call_command("automation", "doctor", "--json")
    found: dict[str, list[str]] = {}
    for one in json.loads(out.getvalue()):
        found.setdefault(one["code"], []).append(one["where"])
    return found


def execute(*statements: str) -> None:
    """This will run SQL."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def link(database: None) -> Iterator[Connection]:
    """This will be a connection to the broker, on which all queues are as this release declares them."""
    with Connection(BROKER_URL) as opened:
        declare(opened)
        yield opened
        declare(opened)


def declare(link: Connection, names: Collection[str] = ()) -> None:
    """This will declare the queues of this release."""
    for queue in current_app.amqp.queues.values():
        with link.channel() as channel:
            queue(channel).declare()


def test_broken_trail_and_index_and_migration_are_found(database: None) -> None:
    table = f"doctor_{uuid4().hex[:8]}"
    lost = "django_migrations where app = 'retention' and name = (select max(name) from django_migrations"
    lost += " where app = 'retention')"
    execute(f"create table {table} as select 1 as number union all select 1")
    try:
        with contextlib.suppress(Exception):  # two equal rows: the index is left invalid
            execute(f"create unique index concurrently {table}_once on {table} (number)")
        execute("alter table audit_event_earlier disable trigger all")
        execute(f"create temporary table kept as select * from {lost}", f"delete from {lost}")
        found = ask()
    finally:
        execute("alter table audit_event_earlier enable trigger all", f"drop table {table}")
        execute("insert into django_migrations select * from kept", "drop table kept")

    assert found["index-invalid"] == [f"{table}_once"]
    assert found["audit-unguarded"] == ["audit_event_earlier"]
    assert found["migrations"][0].startswith("retention.")
    assert not {"index-invalid", "audit-unguarded", "migrations"} & ask().keys()


def test_queue_with_other_arguments_and_one_that_is_gone_are_found(link: Connection) -> None:
    with link.channel() as channel:
        channel.queue_delete("bulk")
        channel.queue_delete("io")
        Queue("bulk", channel=channel, durable=True, queue_arguments={"x-queue-type": "classic"}).queue_declare()
    found = ask()
    with link.channel() as channel:
        channel.queue_delete("bulk")
    declare(link)

    assert found["queue-arguments"] == ["bulk"]
    assert found["queue-missing"] == ["io"]
    assert not {"queue-arguments", "queue-missing"} & ask().keys()


def test_lane_nobody_reads_and_function_nobody_has_are_found(link: Connection) -> None:
    name = f"doctor.gone_{uuid4().hex[:8]}"

    @registry.function(name=name)
    def gone() -> None:
        """Is there when the workflow is published, and not in the next release."""

    begin({"act": {**call("effect", args={}), "with": {"call": name}, "queue": "io"}})
    registry._functions.pop(name)
    found = ask()

    assert "io" in found["no-worker"]
    assert "function-unknown" in found
    assert name in condition.unknown_functions()
    assert found["no-scheduler"] == ["schedules"]


def test_stores_that_are_away_are_named(servers: RemoteServers, database: None) -> None:
    servers.redis.stop()
    servers.rabbitmq.stop()
    found = ask()
    assert found["redis-away"] == ["redis"]
    assert found["broker-away"] == ["broker"]

    connection.close()
    servers.postgres.stop()
    found = ask()
    assert found["database-away"] == ["database"]
    assert "redis-away" in found, "the others are asked all the same"


def test_command_says_it_in_words_and_with_its_code(database: None) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit) as ended:
        call_command("automation", "doctor")

    assert ended.value.code == 1, "no scheduler runs in this test"
    assert "ERROR   schedules: no scheduler leads" in out.getvalue()
    assert "mend: python manage.py automation scheduler" in out.getvalue()
