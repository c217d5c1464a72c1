"""Two releases beside each other: what any release has put into a queue, today's code reads and acts upon.

Today's own messages must have a form that is frozen, so that the next release can be held to it. To freeze:

    .venv/bin/python -m config.private_services -- .venv/bin/python -m tests.wire RELEASE
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from celery import current_app
from django.conf import settings

from config.broker import DEAD_EXCHANGE
from config.servers.guard import Guard
from tests.flows.driving import call, publish, start
from tests.support.environment import ROOT
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from tests.wire import frozen, journey
from tests.wire.cases import CASES, READ, UNKNOWN_TASK
from tests.wire.frozen import Frozen
from tests.wire.message import put
from workflows.dispatch.dead_queue import DeadQueue
from workflows.models import PoisonMessage, Run, Step

_HOW = "freeze it: .venv/bin/python -m config.private_services -- .venv/bin/python -m tests.wire RELEASE"
_CHANNELS = {"workflows_due": ""}
"""What PostgreSQL notifies, by channel: frozen like the files."""
ALL = list(frozen.all_frozen())


@pytest.fixture(scope="module")
def worker(database: None, guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """This will be a worker of today that reads one lane, and nobody who dispatches."""
    journey.declare_queues()
    processes = Processes(directory=tmp_path_factory.mktemp("wire"), guard=guard)
    yield processes
    processes.end()


def test_every_message_of_today_has_a_form_that_is_frozen(worker: Processes) -> None:
    known = {(one.name, str([message.form() for message in one.messages])) for one in ALL}

    found = journey.todays_messages(worker)

    for name, (_, messages) in found.items():
        form = [message.form() for message in messages]
        assert (name, str(form)) in known, f"{name} has a form that no release is known for: {_HOW}\n{form}"
    assert set(found) == set(CASES)


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("old", [one for one in ALL if not one.case.task], ids=str)
def test_frozen_wake_ups_are_read_and_their_steps_are_done(old: Frozen) -> None:
    travelled = journey.begin(old.case)
    messages = [message.renamed({new: name for name, new in travelled.names.items()}) for message in old.messages]

    def have_ended() -> bool:
        journey.put_back(messages)  # nobody else wakes it: the same messages again change nothing
        return all(ended(run_id) == sorted(old.case.ended) for run_id in travelled.run_ids)

    wait_until(have_ended, what=f"the messages of {old} have had their steps done")


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("old", [one for one in ALL if one.case.task == "automation.start_workflow"], ids=str)
def test_frozen_message_of_a_periodic_task_starts_one_run(old: Frozen) -> None:
    travelled = journey.begin(old.case)
    (message,) = (one.renamed({"{workflow}": travelled.workflow}) for one in old.messages)

    journey.put_back([message, message])

    runs = Run.objects.filter(workflow_name=travelled.workflow)
    wait_until(runs.exists, what="its run has started")
    other = travelled.workflow
    journey.put_back([message])
    wait_until(lambda: not _lies_in(READ), what="all of them have been taken")
    assert runs.count() == 1, other


@pytest.mark.parametrize("old", [one for one in ALL if one.case.task == UNKNOWN_TASK], ids=str)
def test_frozen_message_that_was_set_aside_becomes_a_row(database: None, old: Frozen) -> None:
    journey.declare_queues()
    travelled = journey.begin(old.case)
    (message,) = (one.renamed({"{workflow}": travelled.workflow}) for one in old.messages)
    queue = DeadQueue(current_app)

    put(message, exchange=DEAD_EXCHANGE, routing_key=READ)
    rows = PoisonMessage.objects.filter(excerpt__contains=travelled.workflow)
    wait_until(lambda: (queue.drain(), rows.exists())[1], what="it has been stored")
    queue.close()

    row = rows.get()
    assert (row.queue, row.reason, row.headers["task"]) == (READ, "rejected", UNKNOWN_TASK)


def test_release_rings_with_what_is_frozen(database: None) -> None:
    workflow = publish({"only": call("noop")})
    url = settings.DATABASES["default"]
    with psycopg.connect(
        host=url["HOST"],
        port=url["PORT"],
        user=url["USER"],
        password=url["PASSWORD"],
        dbname=url["NAME"],
        autocommit=True,
    ) as listener:
        for channel in _CHANNELS:
            listener.execute(f"listen {channel}")
        start(workflow)
        rung = {ring.channel: ring.payload for ring in listener.notifies(timeout=120, stop_after=1)}

    assert rung == _CHANNELS


def test_no_statement_rings_elsewhere() -> None:
    named = re.compile(r"pg_notify\('(\w+)', '(\w*)'\)")
    found = {channel: payload for path in _sources() for channel, payload in named.findall(path.read_text())}

    assert found == _CHANNELS


def ended(run_id: UUID) -> Sequence[str]:
    """This will give the steps of a run that have succeeded."""
    return sorted(Step.objects.filter(run_id=run_id, state="succeeded").values_list("step", flat=True))


def _lies_in(queue: str) -> int:
    with current_app.connection_for_read() as connection, connection.channel() as channel:
        return int(channel.queue_declare(queue=queue, passive=True).message_count)


def _sources() -> Iterator[Path]:
    for app in ("audit", "automation", "integrations", "reconciliation", "retention", "workflows"):
        yield from (ROOT / app).rglob("*.sql")
