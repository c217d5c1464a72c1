"""Events as people and systems meet them: the API, the command line, and the plans of their statements."""

from uuid import uuid4

import orjson
import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from audit import queries as audit
from tests.flows import driving
from tests.support import api
from workflows.models import Event, EventKey, Run

pytestmark = pytest.mark.usefixtures("database")
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def caller() -> APIClient:
    """This will be a client that may publish and read."""
    return api.client("events:write", "runs:read")


def event(key: str, **more: object) -> dict[str, object]:
    """This will be an event in structured mode."""
    named = {"specversion": "1.0", "id": uuid4().hex, "source": "/shop", "type": "order.placed"}
    return {**named, "correlationkey": key, "data": {"total": 5}, **more}


def post(caller: APIClient, body: object, *, content_type: str = STRUCTURED) -> tuple[int, dict[str, object]]:
    """This will publish and give status and answer."""
    answer = caller.post("/api/v1/events", orjson.dumps(body), content_type=content_type)
    return answer.status_code, answer.json()


def automation(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """This will run a command and give what it prints."""
    capsys.readouterr()
    call_command("automation", *arguments)
    return capsys.readouterr().out


def test_event_is_accepted_read_and_audited(caller: APIClient) -> None:
    key = uuid4().hex
    body = event(key, subject="order", time="2026-01-31T08:00:00+01:00", ttl="90s", partitionkey="p", region=None)

    status, answer = post(caller, body)
    read = caller.get(f"/api/v1/events/{answer['event']}").json()

    assert (status, answer["status"], answer["waiting"], answer["id"]) == (202, "accepted", 0, body["id"])
    assert (read["key"], read["subject"], read["time"]) == (key, "order", "2026-01-31T07:00:00Z")
    assert (read["data"], read["attributes"], read["receivers"]) == ({"total": 5}, {"partitionkey": "p"}, [])
    row = Event.objects.get(key=key)
    assert (row.expires_at - row.received_at).total_seconds() == 90
    (trail,) = audit.events_for(str(row.id))
    assert (trail.kind, trail.actor.startswith("token:")) == ("event.published", True)


def test_duplicate_is_answered_as_one(caller: APIClient) -> None:
    body = event(uuid4().hex)
    _, first = post(caller, body)

    status, again = post(caller, {**body, "data": "other"}, content_type="application/json")

    assert (status, again["status"], again["event"]) == (200, "duplicate", first["event"])


def test_batch_counts_what_is_new(caller: APIClient) -> None:
    key = uuid4().hex
    one, two = event(key), event(key)
    post(caller, one)

    status, answer = post(caller, [one, two, two], content_type=BATCH)

    assert (status, answer["accepted"], answer["duplicates"]) == (202, 1, 2)
    assert isinstance(answer["results"], list)
    assert [result["status"] for result in answer["results"]] == ["duplicate", "accepted", "duplicate"]
    assert post(caller, [one, two], content_type=BATCH)[0] == 200


def test_batch_with_a_wrong_event_names_it_and_stores_none(caller: APIClient) -> None:
    key = uuid4().hex
    wrong = [event(key), event(key, type="", Weird=1), event(key, ttl="soon")]

    status, answer = post(caller, wrong, content_type=BATCH)

    assert (status, answer["type"]) == (422, "urn:problem-type:automation:event-invalid")
    assert isinstance(answer["problems"], list)
    assert {problem["path"] for problem in answer["problems"]} == {"$[1].type", "$[1].Weird", "$[2].ttl"}
    assert not Event.objects.filter(key=key).exists()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"specversion": "0.3"}, "$.specversion"),
        ({"ttl": "400d"}, "$.ttl"),
        ({"time": "yesterday"}, "$.time"),
        ({"data": "x" * 70_000}, "$"),
        ({"data_base64": "eA=="}, "$.data_base64"),
        ({"extra": {"a": 1}}, "$.extra"),
    ],
)
def test_wrong_event_is_refused_with_its_place(caller: APIClient, change: dict[str, object], path: str) -> None:
    status, answer = post(caller, event(uuid4().hex, **change))

    assert status == 422
    assert isinstance(answer["problems"], list)
    assert [problem["path"] for problem in answer["problems"]] == [path]


def test_too_many_events_at_once_are_refused(caller: APIClient) -> None:
    status, answer = post(caller, [event("k")] * 101, content_type=BATCH)

    assert status == 422
    assert "at most 100" in str(answer["detail"])


def test_publishing_needs_its_scope_and_reading_the_one_for_reading() -> None:
    assert post(api.client("runs:write", "runs:read"), event("k"))[0] == 403
    assert api.client("events:write").get("/api/v1/events").status_code == 403
    assert api.client("runs:read").get(f"/api/v1/events/{uuid4()}").status_code == 404


def test_list_is_narrowed_by_type_and_key(caller: APIClient) -> None:
    key = uuid4().hex
    for event_type in ("order.placed", "order.sent"):
        post(caller, event(key, type=event_type))

    both = caller.get("/api/v1/events", {"key": key}).json()["results"]
    one = caller.get("/api/v1/events", {"key": key, "type": "order.sent"}).json()["results"]

    assert {row["type"] for row in both} == {"order.sent", "order.placed"}
    assert [row["type"] for row in one] == ["order.sent"]


def test_command_publishes_lists_and_shows_who_received(capsys: pytest.CaptureFixture[str]) -> None:
    key = uuid4().hex
    step = {"uses": "wait", "with": {"event": {"type": "order.placed", "key": key}, "for": "2h"}}
    run_id = driving.begin({"placed": step})
    driving.work(run_id)
    why = automation(capsys, "why", str(run_id))

    given = ["--key", key, "--data", '{"password": "x", "total": 7}', "--ttl", "1h", "--id", key]
    told = automation(capsys, "event", "publish", "order.placed", *given)
    again = automation(capsys, "event", "publish", "order.placed", *given)
    driving.work(run_id)
    shown = automation(capsys, "event", "show", str(Event.objects.get(key=key).id))

    assert f"waits for the event order.placed {key}" in why
    assert "is published; steps that waited for it: 1" in told
    assert "came before: nothing is changed" in again
    assert key in automation(capsys, "event", "list", "--key", key)
    assert str(run_id) in shown
    assert '"total":7' in shown
    assert '"x"' not in shown
    assert Run.objects.get(id=run_id).state == "succeeded"


@pytest.mark.parametrize(
    "wrong", [["--data", "{"], ["--ttl", "soon"], ["--ttl", "400d"], ["--time", "2026-01-01T00:00:00"]]
)
def test_command_refuses_what_is_wrong_in_one_line(wrong: list[str]) -> None:
    with pytest.raises(CommandError) as refused:
        call_command("automation", "event", "publish", "order.placed", *wrong)

    assert refused.value.returncode == 2


def test_name_of_an_event_is_kept_apart_from_its_month(caller: APIClient) -> None:
    body = event(uuid4().hex)

    _, answer = post(caller, body)

    assert str(EventKey.objects.get(event_id=body["id"]).event) == answer["event"]
