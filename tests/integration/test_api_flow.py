"""Flow control over HTTP: who is refused learns by whom and until when, who waits can be watched."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import pytest
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from tests.support import api
from workflows.models import Gate, Run
from workflows.operations import lane_room

LIMIT = {"key": "${{ input.customer }}", "limit": 1}


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def caller() -> APIClient:
    """This will be a client that may read and start."""
    return api.client("runs:read", "runs:write")


def start(caller: APIClient, workflow: str, *, key: str | None = None) -> Any:  # Any: the client adds to responses
    """This will start a run of a customer."""
    headers = {} if key is None else {"Idempotency-Key": f'"{key}"'}
    body = {"workflow": workflow, "input": {"customer": "c7"}}
    return caller.post("/api/v1/runs", body, format="json", headers=headers)


def test_run_in_line_says_where_it_stands_and_who_is_before_it(caller: APIClient) -> None:
    workflow = api.published(concurrency=LIMIT)
    first, second = (start(caller, workflow).json()["id"] for _ in range(2))

    (wait,) = caller.get(f"/api/v1/runs/{second}").json()["waits"]

    assert (wait["reason"], wait["object_kind"], wait["object_name"], wait["due_at"]) == (
        "concurrency",
        "key",
        "c7",
        None,
    )
    assert wait["place"] == {"position": 1, "waiting": 1, "limit": 1, "holders": [first]}


def test_rejected_start_answers_409_and_names_the_holder(caller: APIClient) -> None:
    workflow = api.published(concurrency={**LIMIT, "overflow": "reject"})
    first = start(caller, workflow).json()["id"]

    response = start(caller, workflow)

    assert response.status_code == 409
    assert response.json()["type"].endswith(":concurrency-reached")
    assert first in response.json()["detail"]


@pytest.mark.parametrize("is_keyed", [False, True])
def test_start_beyond_the_rate_answers_429_and_stays_counted(caller: APIClient, is_keyed: bool) -> None:
    workflow = api.published(rate_limit={"limit": 1, "period": "100s"})
    start(caller, workflow)

    responses = [start(caller, workflow, key=str(uuid4()) if is_keyed else None) for _ in range(2)]

    assert {response.status_code for response in responses} == {429}
    assert 95 < int(responses[0].headers["Retry-After"]) <= 100
    assert responses[0].json()["type"].endswith(":start-rate-limited")
    assert Gate.objects.get(workflow_name=workflow).refused == 2


def test_start_that_joins_a_run_is_answered_with_it_again_and_again(caller: APIClient) -> None:
    workflow = api.published(debounce={"period": "10m"})
    first = start(caller, workflow)

    second = start(caller, workflow, key="k")
    again = start(caller, workflow, key="k")

    assert [first.status_code, second.status_code, again.status_code] == [201, 200, 200]
    assert [first.json()["joined"], second.json()["joined"]] == ["", "debounce"]
    assert second.json()["id"] == first.json()["id"]
    assert again.json() == second.json()
    assert "Idempotency-Replayed" not in second.headers
    assert again.headers["Idempotency-Replayed"] == "true"


def test_newcomer_that_is_cancelled_is_answered_as_such(caller: APIClient) -> None:
    workflow = api.published(concurrency={**LIMIT, "overflow": "cancel_newest"})
    start(caller, workflow)

    response = start(caller, workflow)

    assert (response.status_code, response.json()["state"]) == (201, "cancelled")
    assert Run.objects.get(id=response.json()["id"]).state == "cancelled"


def test_key_that_the_input_does_not_have_answers_422(caller: APIClient) -> None:
    workflow = api.published(concurrency={"key": "${{ input.nobody }}", "limit": 1})

    response = start(caller, workflow)

    assert response.status_code == 422
    assert response.json()["problems"][0]["path"] == "$.concurrency.key"


@pytest.mark.parametrize("rules", [{}, {"concurrency": {"limit": 9}}, {"singleton": {"mode": "skip"}}])
def test_full_lane_refuses_no_start_that_its_key_has_made_before(
    caller: APIClient,
    settings: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    rules: Mapping[str, object],
) -> None:
    workflow = api.published(**rules)
    key = {"Idempotency-Key": f'"{uuid4()}"'}
    began = caller.post("/api/v1/runs", {"workflow": workflow}, format="json").json()["id"]
    first = caller.post("/api/v1/runs", {"workflow": workflow}, format="json", headers=key).json()["id"]
    assert (first == began) == ("singleton" in rules)
    settings.API_LANE_LIMIT = 1  # type: ignore[attr-defined]  # pytest-django's settings
    monkeypatch.setattr(lane_room, "_room", lane_room.Room(count=lambda _lane, limit: limit))

    again = caller.post("/api/v1/runs", {"workflow": workflow}, format="json", headers=key)
    new = caller.post(
        "/api/v1/runs", {"workflow": workflow}, format="json", headers={"Idempotency-Key": f'"{uuid4()}"'}
    )
    bare = caller.post("/api/v1/runs", {"workflow": workflow}, format="json")

    assert (again.status_code, again.json()["id"], again["Idempotency-Replayed"]) == (200, first, "true")
    assert [new.status_code, bare.status_code] == [503, 503]
