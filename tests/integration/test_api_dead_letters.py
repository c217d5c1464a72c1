"""Dead letters over HTTP."""

from collections.abc import Iterator

import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from tests.support import api
from workflows import operations
from workflows.models import Activation, DeadLetter, Run, Step


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def caller() -> APIClient:
    """This will be a client that may read and repair."""
    return api.client("runs:read", "dead_letters:write")


@pytest.fixture
def letter() -> DeadLetter:
    """This will be the dead letter of a run whose first step has failed."""
    now = timezone.now()
    started = operations.start_run(workflow=api.published(), start=operations.Start(), actor=api.TESTER, now=now)
    run = Run.objects.get(id=started.run_id)
    Activation.objects.filter(run_id=run.id).delete()
    Step.objects.create(run_id=run.id, step="first", state="failed", ended_at=now)
    Step.objects.create(run_id=run.id, step="second", state="upstream_failed", attempts=0, ended_at=now)
    Run.objects.filter(id=run.id).update(state="failed", ended_at=now)
    return DeadLetter.objects.create(
        run_id=run.id,
        workflow_name=run.workflow_name,
        step="first",
        kind="refused",
        message="no such account",
        payload={"path": "/charges", "headers": {"Authorization": "Bearer hidden"}},
        attempts=1,
        created_at=now,
    )


def test_dead_letters_are_filtered_by_state_and_workflow(caller: APIClient, letter: DeadLetter) -> None:
    ours = caller.get(f"/api/v1/dead-letters?workflow={letter.workflow_name}&state=open").json()["results"]
    none = caller.get(f"/api/v1/dead-letters?workflow={letter.workflow_name}&state=requeued").json()["results"]

    assert [found["id"] for found in ours] == [letter.id]
    assert none == []


def test_a_dead_letter_shows_what_was_called_and_masks_secrets(caller: APIClient, letter: DeadLetter) -> None:
    found = caller.get(f"/api/v1/dead-letters/{letter.id}").json()

    assert found["payload"] == {"path": "/charges", "headers": {"Authorization": "***"}}
    assert (found["run"], found["step"], found["message"]) == (str(letter.run_id), "first", "no such account")


def test_requeue_brings_the_run_back_once(caller: APIClient, letter: DeadLetter) -> None:
    first = caller.post(f"/api/v1/dead-letters/{letter.id}/requeue")
    again = caller.post(f"/api/v1/dead-letters/{letter.id}/requeue")

    run = caller.get(f"/api/v1/runs/{letter.run_id}").json()
    assert (first.status_code, first.json()["state"]) == (200, "requeued")
    assert first.json()["resolved_by"].startswith("token:test-")
    assert (again.status_code, again.json()["type"].rsplit(":", 1)[1]) == (409, "dead-letter-resolved")
    assert (run["state"], run["round"], run["waits"][0]["step"]) == ("running", 1, "first")


def test_discard_needs_a_reason_and_leaves_the_run_failed(caller: APIClient, letter: DeadLetter) -> None:
    without = caller.post(f"/api/v1/dead-letters/{letter.id}/discard", {}, format="json")
    given = caller.post(f"/api/v1/dead-letters/{letter.id}/discard", {"reason": "account closed"}, format="json")

    assert (without.status_code, without.json()["problems"][0]["path"]) == (400, "$.reason")
    assert (given.status_code, given.json()["state"]) == (200, "discarded")
    assert caller.get(f"/api/v1/runs/{letter.run_id}").json()["state"] == "failed"


def test_an_unknown_dead_letter_is_not_found(caller: APIClient) -> None:
    for response in (
        caller.get("/api/v1/dead-letters/999999999"),
        caller.post("/api/v1/dead-letters/999999999/requeue"),
        caller.post("/api/v1/dead-letters/999999999/discard", {"reason": "x"}, format="json"),
    ):
        assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (404, "dead-letter-unknown")
