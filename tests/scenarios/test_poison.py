"""Messages no worker can take become rows with an incident; nothing disappears, whoever dies in between."""

import orjson
import pytest

from audit import queries as audit
from config.broker import DEAD_EXCHANGE
from tests.flows.driving import begin, call, wait_for_end
from tests.scenarios.conftest import HASTY
from tests.support import redis_broker
from tests.support.messages import send
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from workflows.dispatch.canvas import TASK
from workflows.models import Incident, PoisonMessage

TASK_HEADERS = {"id": "7", "lang": "py", "root_id": "7", "parent_id": None, "group": None}


def row_of(mark: str) -> PoisonMessage:
    """This will be the row of a message, as soon as there is one."""
    found = wait_until(lambda: PoisonMessage.objects.filter(headers__mark=mark).first(), what="the message is stored")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("body", "content_type", "headers"),
    [
        (b"{not JSON", "application/json", {**TASK_HEADERS, "task": TASK}),
        (b"[[], {}, {}]", "application/json", {**TASK_HEADERS, "task": "shop.unknown"}),
        (b"cos\nsystem", "application/x-python-serialize", {**TASK_HEADERS, "task": TASK}),
        (b"\xff\xfe\x00 binary", "application/octet-stream", {}),
        (b'{"no": "task"}', "application/json", {}),
        (b'[[], {"refs": "nonsense"}, {}]', "application/json", {**TASK_HEADERS, "task": TASK}),
        (b"[[], {}, {}]", "application/json", {**TASK_HEADERS, "task": TASK}),
    ],
    ids=["undecodable", "unknown task", "pickle", "binary", "no task", "no refs", "no arguments"],
)
def test_message_that_makes_no_sense_becomes_a_row_and_an_incident(
    crew: Processes, body: bytes, content_type: str, headers: dict[str, object]
) -> None:
    row = row_of(send(body, content_type=content_type, **headers))

    incident = Incident.objects.get(fingerprint=row.fingerprint)
    assert (row.queue, row.reason, row.state, row.size_bytes) == ("default", "rejected", "open", len(body))
    assert (incident.state, incident.kind, incident.step) == ("open", "message", "default")
    assert audit.events_for(str(row.id)).filter(kind="message.poisoned").exists()
    run_id = begin({"a": call("noop")})
    assert wait_for_end(run_id)[0].state == "succeeded"


def test_message_whose_work_went_on_without_it_is_recovered_and_says_so(crew: Processes) -> None:
    run_id = begin({"a": call("noop")})
    wait_for_end(run_id)
    body = orjson.dumps([[], {"refs": [[str(run_id), 0, 0]]}, {}])

    row = row_of(send(body, exchange=DEAD_EXCHANGE, task=TASK, token="s3cr3t-value"))
    wait_until(lambda: PoisonMessage.objects.get(id=row.id).state == "recovered", what="the work has gone on")
    wait_until(
        lambda: Incident.objects.get(fingerprint=row.fingerprint).state == "resolved", what="the incident is over"
    )

    assert row.refs == [[str(run_id), 0, 0]]
    assert row.headers["token"] == "***"
    assert "taken up" in PoisonMessage.objects.get(id=row.id).note


def test_redis_as_broker_loses_no_message_that_makes_no_sense(worker_processes: Processes) -> None:
    """As on the embedded platform: what the worker's main process refuses, and what a child refuses."""
    app = redis_broker.make_app()
    env = {**HASTY, "BROKER_URL": redis_broker.url()}
    worker_processes.start_scheduler(env=env, wait=False)
    worker_processes.start_worker(env=env)
    marks = [
        send(b"{not JSON", task=TASK, app=app, **TASK_HEADERS),
        send(b"[[], {}, {}]", task="shop.unknown", app=app, **TASK_HEADERS),
        send(b'[[], {"refs": "nonsense"}, {}]', task=TASK, app=app, **TASK_HEADERS),
    ]

    rows = [row_of(mark) for mark in marks]

    assert {(row.queue, row.reason, row.state) for row in rows} == {("default", "rejected", "open")}
    assert [row.headers["task"] for row in rows] == [TASK, "shop.unknown", TASK]
    incidents = Incident.objects.filter(fingerprint__in=[row.fingerprint for row in rows])
    assert {(one.state, one.kind) for one in incidents} == {("open", "message")}
