"""Incidents, bulk repairs and edited inputs over HTTP and on the command line: counts add up, bad input is told."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from tests.flows.driving import call, publish, start, work
from tests.support import api
from workflows.models import DeadLetter, Incident, Run
from workflows.operations import incidents

NEVER = {"attempts": 1}


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def caller() -> APIClient:
    """This will be a client that may read and repair."""
    return api.client("runs:read", "dead_letters:write")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """This will be the file that steps need to succeed; it does not exist yet."""
    return tmp_path / "gate"


@pytest.fixture
def workflow(gate: Path) -> str:
    """This will be a workflow with three failed runs."""
    name = publish({"ask": call("fail_unless", args={"path": str(gate)}, retry=NEVER)})
    work(*[start(name) for _ in range(3)])
    return name


def command(*args: str) -> str:
    """This will be what a command of the operator writes."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", out)
        call_command("automation", *args)
    return out.getvalue()


def test_incidents_are_listed_read_assigned_and_resolved_by_their_work(
    caller: APIClient, workflow: str, gate: Path
) -> None:
    (listed,) = caller.get(f"/api/v1/incidents?workflow={workflow}&state=open").json()["results"]
    path = f"/api/v1/incidents/{listed['fingerprint']}"
    assert (listed["count"], listed["open"], listed["pending"], listed["step"]) == (3, 3, 0, "ask")

    assigned = caller.post(f"{path}/assign", {"owner": "ana"}, format="json")
    gate.touch()
    outcome = caller.post(f"{path}/resolve", {"per_second": 10_000}, format="json")
    resolving = caller.get(path).json()
    work(*Run.objects.filter(workflow_name=workflow).values_list("id", flat=True), is_patient=False)
    incidents.sweep(now=timezone.now())

    assert assigned.json()["owner"] == "ana"
    assert outcome.json() == {"matched": 3, "done": 3, "skipped": {}, "has_more": False, "is_dry_run": False}
    assert (resolving["state"], resolving["open"], resolving["pending"]) == ("resolving", 0, 3)
    assert (caller.get(path).json()["state"], caller.get(path).json()["pending"]) == ("resolved", 0)


def test_incident_is_discarded_for_a_reason(caller: APIClient, workflow: str) -> None:
    path = f"/api/v1/incidents/{Incident.objects.get(workflow_name=workflow).fingerprint}"

    without = caller.post(f"{path}/discard", {}, format="json")
    given = caller.post(f"{path}/discard", {"reason": "a test"}, format="json")

    assert (without.status_code, without.json()["problems"][0]["path"]) == (400, "$.reason")
    assert (given.status_code, given.json()["done"]) == (200, 3)
    assert (caller.get(path).json()["state"], caller.get(path).json()["reason"]) == ("discarded", "a test")


def test_requeue_by_filter_counts_what_it_did_and_a_dry_run_does_nothing(caller: APIClient, workflow: str) -> None:
    selection = {"workflow": workflow, "step": "ask", "kind": "unavailable", "message": "DOES NOT exist"}
    path = "/api/v1/dead-letters/requeue"

    dry = caller.post(path, {"filter": selection, "dry_run": True}, format="json").json()
    part = caller.post(path, {"filter": selection, "limit": 2, "per_second": 5}, format="json").json()
    rest = caller.post(path, {"filter": selection}, format="json").json()
    none = caller.post(path, {"filter": selection}, format="json").json()

    assert (dry["matched"], dry["done"], dry["skipped"], dry["is_dry_run"]) == (3, 0, {"dry_run": 3}, True)
    assert (part["matched"], part["done"], part["has_more"]) == (2, 2, True)
    assert (rest["matched"], rest["done"], rest["has_more"]) == (1, 1, False)
    assert (none["matched"], none["done"], none["skipped"]) == (0, 0, {})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.filter"),
        ({"filter": {}}, "$.filter"),
        ({"filter": {"workfow": "x"}}, "$.filter.workfow"),
        ({"filter": {"run": "x"}}, "$.filter.run"),
        ({"filter": {"workflow": "x"}, "per_second": 0}, "$.per_second"),
        ({"filter": {"workflow": "x"}, "limit": 0}, "$.limit"),
    ],
)
def test_a_request_that_does_not_say_which_is_refused(caller: APIClient, body: dict[str, object], path: str) -> None:
    response = caller.post("/api/v1/dead-letters/requeue", body, format="json")

    assert (response.status_code, response.json()["problems"][0]["path"]) == (400, path)


def test_edited_inputs_need_a_second_scope_and_the_right_form(caller: APIClient, workflow: str, gate: Path) -> None:
    letter = DeadLetter.objects.filter(workflow_name=workflow).earliest("id")
    path = f"/api/v1/dead-letters/{letter.id}/requeue"
    there = gate.with_name("there")
    there.touch()
    right = {"payload": {"call": "flows.fail_unless", "args": {"path": str(there)}}}
    editor = api.client("runs:read", "runs:write", "dead_letters:write")

    forbidden = caller.post(path, right, format="json")
    wrong = editor.post(path, {"payload": {"call": "flows.fail_unless", "args": {}}}, format="json")
    done = editor.post(path, right, format="json")
    work(letter.run_id)

    assert (forbidden.status_code, "runs:write" in forbidden.json()["detail"]) == (403, True)
    assert (wrong.status_code, wrong.json()["problems"][0]["path"]) == (422, "$.payload.args")
    assert done.json()["state"] == "requeued"
    assert Run.objects.get(id=letter.run_id).state == "succeeded"
    assert caller.get(f"/api/v1/dead-letters/{letter.id}").json()["trial"] == "succeeded"


def test_what_is_not_there_is_not_found(caller: APIClient) -> None:
    for path in ("/api/v1/incidents/0000", "/api/v1/incidents/0000/resolve", "/api/v1/poison-messages/0/discard"):
        send = caller.get if path.endswith("0000") else caller.post
        response = send(path, {"reason": "x"}, format="json")
        assert response.status_code == 404, path


def test_who_may_only_read_repairs_nothing(workflow: str) -> None:
    reader = api.client("runs:read")
    fingerprint = Incident.objects.get(workflow_name=workflow).fingerprint
    answers = [
        reader.post("/api/v1/dead-letters/requeue", {"filter": {"workflow": workflow}}, format="json"),
        reader.post("/api/v1/dead-letters/discard", {"filter": {"workflow": workflow}, "reason": "x"}, format="json"),
        reader.post(f"/api/v1/incidents/{fingerprint}/resolve", {}, format="json"),
        reader.post(f"/api/v1/incidents/{fingerprint}/assign", {"owner": "x"}, format="json"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert DeadLetter.objects.filter(workflow_name=workflow, state="open").count() == 3


def test_incidents_come_in_pages(caller: APIClient, workflow: str) -> None:
    first = caller.get("/api/v1/incidents?limit=1").json()

    assert len(first["results"]) == 1
    if first["next"] is not None:
        assert caller.get(first["next"]).status_code == 200


def test_commands_list_requeue_and_discard_by_filter(workflow: str) -> None:
    fingerprint = Incident.objects.get(workflow_name=workflow).fingerprint

    assert fingerprint in command("incidents", "--workflow", workflow)
    assert "ana" in command("assign", fingerprint, "ana")
    which = ("--filter", f"incident={fingerprint}")
    assert "3 matched: 0 requeued, 3 dry run" in command("requeue", *which, "--dry-run")
    assert "1 matched: 1 requeued; there are more" in command("requeue", *which, "--limit", "1", "--per-second", "5")
    assert "2 matched: 2 discarded" in command("discard", *which, "--reason", "a test")
    assert "0 matched: 0 requeued" in command("requeue", *which)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("requeue",), "name dead letters by ID"),
        (("requeue", "1", "--filter", "kind=error"), "name dead letters by ID"),
        (("requeue", "--filter", "kind"), "has no value"),
        (("requeue", "--filter", "knd=error"), "did you mean 'kind'"),
        (("requeue", "--filter", "created_after=soon"), "no instant"),
        (("requeue", "--filter", "kind=error", "--limit", "0"), "--limit must be"),
        (("requeue", "--filter", "kind=error", "--per-second", "0"), "--per-second must be"),
        (("requeue", "1", "--payload", "{"), "--payload is not JSON"),
        (("requeue", "1", "2", "--payload", "{}"), "one ID"),
        (("discard", "--filter", "kind=error"), "--reason"),
        (("assign", "0000", "ana"), "there is no incident 0000"),
    ],
)
def test_commands_tell_what_is_wrong_in_one_line(args: tuple[str, ...], message: str) -> None:
    with pytest.raises(CommandError) as refused:
        command(*args)

    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.returncode == 2
