"""Runs over HTTP: started at most once per key, always able to say what they wait for."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch
from uuid import UUID, uuid4

import psycopg
import pytest
from django.utils import timezone
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from tests.support import api
from workflows import due, operations
from workflows.models import Activation, Attempt, Item, Run
from workflows.operations import admission

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def caller() -> APIClient:
    """This will be a client that may read and start."""
    return api.client("runs:read", "runs:write")


def started(caller: APIClient, *, workflow: str = "", **more: object) -> str:
    """This will start a run and give its id."""
    body = {"workflow": workflow or api.published(), **more}
    response = caller.post("/api/v1/runs", body, format="json")
    assert response.status_code == 201, response.json()
    return str(response.json()["id"])


def test_start_answers_201_with_the_run_and_where_it_is(caller: APIClient) -> None:
    workflow = api.published()

    response = caller.post(
        "/api/v1/runs", {"workflow": workflow, "input": {"order": "7"}, "priority": 3}, format="json"
    )

    run = Run.objects.get(id=response.json()["id"])
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/v1/runs/{run.id}"
    assert (response.json()["workflow"], response.json()["state"]) == (workflow, "running")
    assert (run.input, run.priority, run.started_by) == ({"order": "7"}, 3, response.json()["started_by"])
    assert run.created_at == datetime.fromisoformat(response.json()["created_at"])
    assert Activation.objects.filter(run_id=run.id).count() == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": '"new-1"'}])
def test_start_needs_two_statements_when_the_plan_is_known(caller: APIClient, headers: Mapping[str, str]) -> None:
    workflow = api.published()
    started(caller, workflow=workflow)

    with sent_statements() as sent:
        response = caller.post("/api/v1/runs", {"workflow": workflow}, format="json", headers=headers)

    assert response.status_code == 201
    assert len(sent) == 2, "the token is looked up, the run begins: nothing before, between or behind them"
    assert "automation_apitoken" in sent[0]
    assert "workflows_run" in sent[1]


@contextmanager
def sent_statements() -> Iterator[list[str]]:
    """This will note every statement that any cursor sends, hot ones and Django's own."""
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def noted(cursor: object, query: str, *args: object, **options: object) -> object:
        sent.append(query)
        return execute(cursor, query, *args, **options)  # type: ignore[arg-type]  # passed on as it came

    with patch.object(psycopg.Cursor, "execute", noted):
        yield sent


def test_start_may_be_told_to_wait(caller: APIClient) -> None:
    at = timezone.now() + timedelta(days=2)
    delayed = started(caller, delay_s=90.5)
    dated = started(caller, start_at=at.isoformat())
    past = started(caller, start_at="2020-01-01T00:00:00+01:00")

    rows = {str(row.run_id): row for row in Activation.objects.filter(run_id__in=[delayed, dated, past])}
    assert [rows[one].wait_reason for one in (delayed, dated, past)] == ["delayed", "delayed", "worker"]
    assert rows[dated].due_at == at
    assert timedelta(seconds=80) < rows[delayed].due_at - timezone.now() <= timedelta(seconds=90.5)
    (wait,) = caller.get(f"/api/v1/runs/{delayed}").json()["waits"]
    assert (wait["reason"], wait["object_kind"]) == ("delayed", "start")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"delay_s": -1}, "$.delay_s"),
        ({"delay_s": 1e9}, "$.delay_s"),
        ({"delay_s": "soon"}, "$.delay_s"),
        ({"start_at": "tomorrow"}, "$.start_at"),
        ({"start_at": "2026-01-31T08:00:00"}, "$.start_at"),
        ({"start_at": "9999-01-31T08:00:00Z"}, "$.start_at"),
        ({"delay_s": 1, "start_at": "2026-01-31T08:00:00Z"}, "$.delay_s"),
    ],
)
def test_delay_that_makes_no_sense_is_a_problem_at_its_place(caller: APIClient, body: object, place: str) -> None:
    answer = caller.post("/api/v1/runs", {"workflow": api.published(), **body}, format="json")  # type: ignore[dict-item]

    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [problem["path"] for problem in answer.json()["problems"]] == [place]


def test_start_into_a_full_lane_is_refused_for_a_while_and_stores_nothing(
    caller: APIClient, settings: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.API_LANE_LIMIT = 2  # type: ignore[attr-defined]  # pytest-django's settings
    gate = admission.Gate(count=lambda lane, limit: due.count_due(lane=lane, limit=limit))
    monkeypatch.setattr(admission, "_gate", gate)
    workflow = api.published()
    Activation.objects.filter(lane="default").update(due_at=timezone.now() + timedelta(days=1))
    for _ in range(2):
        started(caller, workflow=workflow)

    answer = caller.post("/api/v1/runs", {"workflow": workflow}, format="json")

    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert answer.json()["type"].endswith(":lane-full")
    assert int(answer["Retry-After"]) > 0
    assert Run.objects.filter(workflow_name=workflow).count() == 2


def test_start_refuses_what_is_unknown_wrong_or_not_understood(caller: APIClient) -> None:
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
    workflow = api.published(input=schema)

    unknown = caller.post("/api/v1/runs", {"workflow": "never-published"}, format="json")
    wrong = caller.post("/api/v1/runs", {"workflow": workflow, "input": {"total": "x"}}, format="json")
    empty = caller.post("/api/v1/runs", {}, format="json")
    listed = caller.post("/api/v1/runs", [], format="json")
    high = caller.post("/api/v1/runs", {"workflow": workflow, "priority": 101}, format="json")

    assert [answer.status_code for answer in (unknown, wrong, empty, listed, high)] == [404, 422, 400, 400, 400]
    assert wrong.json()["problems"][0]["path"] == "$.total"
    assert empty.json()["problems"][0]["path"] == "$.workflow"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"workflow": "x", "input": NaN}',
        b'{"workflow": "x", "input": "\\ud800"}',
        b'{"workflow": "x", "input": "\\u0000"}',
        b'{"workflow": "x", "input": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_start_refuses_a_body_that_cannot_be_stored(caller: APIClient, body: bytes) -> None:
    response = caller.generic("POST", "/api/v1/runs", body, content_type="application/json")

    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("value", [2**64 - 1, 2**63, -(2**63), 1.5, "\\u0000 as text", "é\n", [], {"": None}])
def test_start_keeps_any_json_value_as_it_was_sent(caller: APIClient, value: object) -> None:
    run_id = started(caller, input={"value": value})

    assert caller.get(f"/api/v1/runs/{run_id}").json()["input"] == {"value": value}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**30])
def test_start_refuses_an_integer_that_would_lose_its_last_digits(caller: APIClient, number: int) -> None:
    body = b'{"workflow": "x", "input": {"id": %d}}' % number
    response = caller.generic("POST", "/api/v1/runs", body, content_type="application/json")

    assert response.status_code == 400
    assert "send it as a string" in response.json()["detail"]


def test_a_number_beyond_64_bits_can_be_read_again(caller: APIClient) -> None:
    run_id = started(caller, input=1e300)

    assert float(caller.get(f"/api/v1/runs/{run_id}").json()["input"]) == 1e300


def test_start_refuses_a_body_that_is_too_large(caller: APIClient, settings: pytest.FixtureRequest) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000  # type: ignore[attr-defined]  # pytest-django's wrapper

    response = caller.post("/api/v1/runs", {"workflow": "x", "input": "y" * 2000}, format="json")

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (413, "body-too-large")


def test_start_takes_json_alone(caller: APIClient) -> None:
    response = caller.generic("POST", "/api/v1/runs", b"workflow=x", content_type="text/plain")

    assert response.status_code == 415


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Correlation-ID": "order-7"}, "order-7"),
        ({"traceparent": TRACE}, "0af7651916cd43dd8448eb211c80319c"),
        ({"X-Correlation-ID": "order-7", "traceparent": TRACE}, "order-7"),
    ],
)
def test_the_correlation_id_is_taken_kept_and_echoed(caller: APIClient, headers: dict[str, str], expected: str) -> None:
    response = caller.post("/api/v1/runs", {"workflow": api.published()}, format="json", headers=headers)

    run = Run.objects.get(id=response.json()["id"])
    assert response.headers["X-Correlation-ID"] == expected
    assert (run.correlation_id, run.traceparent) == (expected, headers.get("traceparent", ""))
    assert caller.get(f"/api/v1/runs/{run.id}").headers["X-Correlation-ID"] == expected


def test_a_run_without_correlation_is_its_own(caller: APIClient) -> None:
    response = caller.post(
        "/api/v1/runs", {"workflow": api.published()}, format="json", headers={"traceparent": "broken"}
    )

    assert response.headers["X-Correlation-ID"] == response.json()["id"]


def test_a_run_says_what_it_waits_for(caller: APIClient) -> None:
    run_id = started(caller)

    run = caller.get(f"/api/v1/runs/{run_id}").json()

    (wait,) = run["waits"]
    assert (run["state"], run["version"], run["output"], run["error"]) == ("running", 1, None, None)
    assert (wait["step"], wait["reason"], wait["is_running"]) == ("first", "worker", False)
    assert (wait["object_kind"], wait["object_name"], wait["attempt"]) == ("lane", "default", 1)


def test_steps_are_listed_in_the_order_of_the_plan_before_they_begin(caller: APIClient) -> None:
    run_id = started(caller)

    steps = caller.get(f"/api/v1/runs/{run_id}/steps").json()["results"]

    assert [(step["step"], step["state"]) for step in steps] == [("first", "ready"), ("second", "pending")]
    assert steps[1]["needs"] == ["first"]


@pytest.mark.parametrize(
    ("state", "reason", "expected", "kind", "name"),
    [
        ("leased", "running", "running", "worker", "host:7"),
        ("waiting", "retry", "retrying", "attempt", "2 of 5"),
    ],
)
def test_steps_and_waits_follow_the_activation(
    caller: APIClient, state: str, reason: str, expected: str, kind: str, name: str
) -> None:
    run_id = started(caller)
    Activation.objects.filter(run_id=run_id).update(
        state=state, wait_reason=reason, owner="host:7", attempt=2, step_started_at=timezone.now()
    )

    steps = caller.get(f"/api/v1/runs/{run_id}/steps").json()["results"]
    (wait,) = caller.get(f"/api/v1/runs/{run_id}").json()["waits"]

    assert (steps[0]["state"], steps[1]["state"]) == (expected, "pending")
    assert (wait["object_kind"], wait["object_name"]) == (kind, name)


def test_cancel_ends_the_run_and_its_steps_and_may_be_repeated(caller: APIClient) -> None:
    run_id = started(caller)

    first = caller.post(f"/api/v1/runs/{run_id}/cancel", {"reason": "ordered twice"}, format="json")
    again = caller.post(f"/api/v1/runs/{run_id}/cancel")

    steps = caller.get(f"/api/v1/runs/{run_id}/steps").json()["results"]
    events = caller.get(f"/api/v1/runs/{run_id}/events").json()["results"]
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (first.json()["state"], first.json()["waits"]) == ("cancelled", [])
    assert first.json()["error"]["message"] == "ordered twice"
    assert [step["state"] for step in steps] == ["cancelled", "not_reached"]
    assert [event["kind"] for event in events] == ["run.started", "run.cancelled"]
    assert all(len(event["digest"]) == 64 for event in events)


def test_cancel_of_an_ended_run_is_refused(caller: APIClient) -> None:
    run_id = started(caller)
    Run.objects.filter(id=run_id).update(state="succeeded", ended_at=timezone.now())

    response = caller.post(f"/api/v1/runs/{run_id}/cancel")

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (409, "run-ended")


@pytest.mark.parametrize("part", ["", "/steps", "/steps/x/items", "/attempts", "/events", "/cancel"])
def test_an_unknown_run_is_not_found(caller: APIClient, part: str) -> None:
    path = f"/api/v1/runs/{uuid4()}{part}"

    response = caller.post(path) if part == "/cancel" else caller.get(path)

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (404, "run-unknown")


def test_items_and_attempts_are_paged_in_their_order(caller: APIClient) -> None:
    run_id = started(caller)
    now = timezone.now()
    Item.objects.bulk_create(Item(run_id=run_id, step="first", index=index) for index in range(12))
    Attempt.objects.bulk_create(
        Attempt(run_id=run_id, step="first", attempt=number, kind="error", message="no", ended_at=now)
        for number in range(1, 4)
    )

    first = caller.get(f"/api/v1/runs/{run_id}/steps/first/items?limit=10").json()
    rest = caller.get(first["next"]).json()
    attempts = caller.get(f"/api/v1/runs/{run_id}/attempts").json()["results"]

    assert [item["index"] for item in first["results"] + rest["results"]] == list(range(12))
    assert [attempt["attempt"] for attempt in attempts] == [1, 2, 3]


def test_runs_are_paged_the_newest_first_and_nothing_is_shown_twice(caller: APIClient) -> None:
    workflow = api.published()
    ids = [started(caller, workflow=workflow) for _ in range(5)]

    page = caller.get(f"/api/v1/runs?workflow={workflow}&limit=2").json()
    late = started(caller, workflow=workflow)
    found = [run["id"] for run in page["results"]]
    while page["next"] is not None:
        page = caller.get(page["next"]).json()
        found.extend(run["id"] for run in page["results"])

    assert sorted(found) == sorted(ids)
    assert late not in found


def test_runs_are_filtered_by_each_parameter(caller: APIClient) -> None:
    workflow = api.published()
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)
    for now, correlation in ((early, "c-1"), (late, "c-2")):
        start = operations.Start(correlation_id=f"{correlation}-{workflow}")
        operations.start_run(workflow=workflow, start=start, actor=api.TESTER, now=now)
    cancelled = Run.objects.get(correlation_id=f"c-1-{workflow}")
    operations.cancel_run(run_id=UUID(str(cancelled.id)), actor=api.TESTER, now=late)

    def found(query: str) -> list[str]:
        results = caller.get(f"/api/v1/runs?workflow={workflow}&{query}").json()["results"]
        return [run["correlation_id"][:3] for run in results]

    middle = (early + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert found("") == ["c-2", "c-1"]
    assert found("state=cancelled") == ["c-1"]
    assert found(f"correlation_id=c-2-{workflow}") == ["c-2"]
    assert found(f"created_after={middle}") == ["c-2"]
    assert found(f"created_before={middle}") == ["c-1"]
    assert found("created_after=2026-01-02T00:00:00Z") == ["c-2"]
    assert found("started_by=system:test") == ["c-2", "c-1"]
    assert found("started_by=system:other") == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("stat=failed", 400),
        ("state=fine", 400),
        ("created_after=yesterday", 400),
        ("cursor=nonsense", 404),
        ("cursor=cD14", 404),  # a position that is no id
    ],
)
def test_a_list_refuses_parameters_it_does_not_understand(caller: APIClient, query: str, code: int) -> None:
    assert caller.get(f"/api/v1/runs?{query}").status_code == code
