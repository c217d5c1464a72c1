"""The Idempotency-Key of a start over HTTP: one key, one run, whoever races."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connections, transaction
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from tests.support import api
from workflows.api import idempotency
from workflows.models import Run


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def caller() -> APIClient:
    """This will be a client that may read and start."""
    return api.client("runs:read", "runs:write")


def test_the_same_key_with_the_same_request_gives_the_same_run(caller: APIClient) -> None:
    body = {"workflow": api.published(), "input": {"a": 1, "b": 2}}
    other_order = {"input": {"b": 2, "a": 1}, "workflow": body["workflow"]}

    first = caller.post("/api/v1/runs", body, format="json", headers={"Idempotency-Key": '"k-1"'})
    again = caller.post("/api/v1/runs", other_order, format="json", headers={"Idempotency-Key": "k-1"})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Run.objects.filter(workflow_name=body["workflow"]).count() == 1


def test_the_same_key_with_another_request_is_refused(caller: APIClient) -> None:
    workflow = api.published()
    key = {"Idempotency-Key": '"k-1"'}
    caller.post("/api/v1/runs", {"workflow": workflow, "input": 1}, format="json", headers=key)

    response = caller.post("/api/v1/runs", {"workflow": workflow, "input": 2}, format="json", headers=key)

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (422, "idempotency-key-reused")
    assert Run.objects.filter(workflow_name=workflow).count() == 1


def test_the_same_key_of_another_caller_is_another_key(caller: APIClient) -> None:
    body = {"workflow": api.published()}
    key = {"Idempotency-Key": '"k-1"'}

    ours = caller.post("/api/v1/runs", body, format="json", headers=key)
    theirs = api.client("runs:write").post("/api/v1/runs", body, format="json", headers=key)

    assert (ours.status_code, theirs.status_code) == (201, 201)


def test_a_malformed_key_is_refused_and_starts_nothing(caller: APIClient) -> None:
    workflow = api.published()

    response = caller.post("/api/v1/runs", {"workflow": workflow}, format="json", headers={"Idempotency-Key": '"open'})

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (400, "idempotency-key-invalid")
    assert not Run.objects.filter(workflow_name=workflow).exists()


def test_a_missing_key_is_refused_where_the_site_demands_one(
    caller: APIClient, settings: pytest.FixtureRequest
) -> None:
    settings.API_REQUIRE_IDEMPOTENCY_KEY = True  # type: ignore[attr-defined]  # pytest-django's wrapper

    response = caller.post("/api/v1/runs", {"workflow": api.published()}, format="json")

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (400, "idempotency-key-missing")


@pytest.mark.parametrize("rules", [{}, {"concurrency": {"limit": 1}}])
def test_a_key_that_is_being_answered_is_refused_after_a_while(
    caller: APIClient, monkeypatch: pytest.MonkeyPatch, rules: dict[str, object]
) -> None:
    monkeypatch.setattr(idempotency, "WAIT_MS", 100)
    body = {"workflow": api.published(**rules)}
    key = {"Idempotency-Key": '"k-1"'}
    caller.get("/api/v1/runs")  # notes the use of the token, which would lock its row below
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            caller.post("/api/v1/runs", body, format="json", headers=key)
            held.set()
            release.wait(120)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert held.wait(120)
        asked_at = time.monotonic()
        response = api.with_token(_token_of(caller)).post("/api/v1/runs", body, format="json", headers=key)
        waited_s = time.monotonic() - asked_at
    finally:
        release.set()
        thread.join()
    again = caller.post("/api/v1/runs", body, format="json", headers=key)

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (409, "start-under-way")
    assert waited_s < 60, "it waited for the other request"
    assert again.status_code == 200


def _token_of(caller: APIClient) -> str:
    return str(caller._credentials["HTTP_AUTHORIZATION"]).removeprefix("Bearer ")


def test_racing_requests_with_one_key_start_one_run(caller: APIClient) -> None:
    workflow = api.published()
    token = _token_of(caller)
    codes: list[int] = []

    def start() -> None:
        response = api.with_token(token).post(
            "/api/v1/runs", {"workflow": workflow}, format="json", headers={"Idempotency-Key": '"k-1"'}
        )
        codes.append(response.status_code)
        connections.close_all()

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(codes) == [200] * 5 + [201]
    assert Run.objects.filter(workflow_name=workflow).count() == 1
