"""Definitions over HTTP."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from pytest_django import DjangoDbBlocker
from rest_framework.test import APIClient

from audit import queries as audit
from tests.support import api


@pytest.fixture(autouse=True)
def _rows(database: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def caller() -> APIClient:
    """This will be a client that may read and publish."""
    return api.client("runs:read", "definitions:write")


@pytest.fixture
def name() -> str:
    """This will be a name no other test uses."""
    return f"test-{uuid4().hex[:12]}"


def test_publish_answers_201_for_a_new_version_and_200_when_nothing_changed(caller: APIClient, name: str) -> None:
    first = caller.post("/api/v1/workflows", api.document(name), format="json")
    again = caller.post("/api/v1/workflows", api.document(name), format="json")
    second = caller.post("/api/v1/workflows", api.document(name, description="new"), format="json")

    assert [response.status_code for response in (first, again, second)] == [201, 200, 201]
    assert [response.json()["number"] for response in (first, again, second)] == [1, 1, 2]
    assert first.headers["Location"] == f"/api/v1/workflows/{name}/versions/1"
    assert first.json()["published_by"].startswith("token:test-")
    assert [event.kind for event in audit.events_for(name)] == ["workflow.published"] * 2


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_publish_takes_the_source_as_text(caller: APIClient, name: str, form: str) -> None:
    source = f"# kept as written\nname: {name}\nsteps:\n  only: {{uses: set, with: {{a: 1}}}}\n"

    if form == "json":
        response = caller.post("/api/v1/workflows", {"source": source}, format="json")
    else:
        response = caller.post("/api/v1/workflows", source, content_type="application/yaml")

    assert response.status_code == 201
    version = caller.get(response.headers["Location"]).json()
    assert version["source"] == source
    assert version["document"]["steps"] == {"only": {"uses": "set", "with": {"a": 1}}}
    assert version["plan"] == [{"steps": ["only"], "lane": "default", "for_each": False}]


def test_publish_names_every_problem_with_line_and_column(caller: APIClient, name: str) -> None:
    source = f"name: {name}\nsteps:\n  a: {{uses: set, needs: b}}\n  c: {{uses: sett}}\n"

    response = caller.post("/api/v1/workflows", {"source": source}, format="json")

    assert response.status_code == 422
    assert response.json()["type"] == "urn:problem-type:automation:definition-invalid"
    places = {(problem["path"], problem["line"]) for problem in response.json()["problems"]}
    assert {("$.steps.a.needs", 3), ("$.steps.c.uses", 4)} <= places
    assert caller.get(f"/api/v1/workflows/{name}").status_code == 404


def test_check_publishes_nothing(caller: APIClient, name: str) -> None:
    good = caller.post("/api/v1/workflows/check", api.document(name), format="json")
    bad = caller.post("/api/v1/workflows/check", {"source": "name: [\n"}, format="json")

    assert good.json() == {"valid": True, "problems": []}
    assert (bad.status_code, bad.json()["valid"]) == (200, False)
    assert bad.json()["problems"][0]["line"] is not None
    assert caller.get(f"/api/v1/workflows/{name}").status_code == 404


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"{", b'{"source": 1}', b'{"source": "a\\u0000b"}', b"\xff"])
def test_publish_refuses_a_body_that_is_no_definition(caller: APIClient, body: bytes) -> None:
    response = caller.generic("POST", "/api/v1/workflows", body, content_type="application/json")

    assert response.status_code in (400, 422)
    assert response.headers["Content-Type"] == "application/problem+json"


def test_versions_are_listed_the_newest_first(caller: APIClient, name: str) -> None:
    for number in range(3):
        api.publish(api.document(name, description=str(number)))

    page = caller.get(f"/api/v1/workflows/{name}/versions?limit=2").json()
    rest = caller.get(page["next"]).json()

    assert [version["number"] for version in page["results"] + rest["results"]] == [3, 2, 1]
    assert rest["next"] is None


def test_an_unknown_version_says_which_there_are(caller: APIClient, name: str) -> None:
    api.publish(api.document(name))

    response = caller.get(f"/api/v1/workflows/{name}/versions/7")

    assert response.status_code == 404
    assert "1 to 1" in response.json()["detail"]


def test_disable_refuses_new_runs_until_enabled_again(caller: APIClient, name: str) -> None:
    api.publish(api.document(name))
    starter = api.client("runs:write")

    disabled = caller.post(f"/api/v1/workflows/{name}/disable").json()
    refused = starter.post("/api/v1/runs", {"workflow": name}, format="json")
    caller.post(f"/api/v1/workflows/{name}/enable")
    started = starter.post("/api/v1/runs", {"workflow": name}, format="json")

    assert disabled["is_enabled"] is False
    assert (refused.status_code, refused.json()["type"].rsplit(":", 1)[1]) == (409, "workflow-disabled")
    assert started.status_code == 201


def test_workflows_are_listed_by_name_over_pages(caller: APIClient) -> None:
    names = sorted(api.published() for _ in range(3))

    found: list[str] = []
    path: str | None = "/api/v1/workflows?limit=2"
    while path is not None:
        page = caller.get(path).json()
        found.extend(workflow["name"] for workflow in page["results"])
        path = page["next"]

    assert [name for name in found if name in names] == names
    assert found == sorted(found)


def test_the_schema_of_definitions_is_served_to_everybody() -> None:
    response = APIClient().get("/api/v1/schema/definition.json")

    assert response.headers["Content-Type"] == "application/schema+json"
    assert response.json()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_openapi_and_its_page_are_served_without_the_internet() -> None:
    schema = APIClient().get("/api/v1/openapi.json")
    page = APIClient().get("/api/v1/docs").content.decode()

    assert schema.json()["openapi"].startswith("3.")
    assert "/api/v1/runs" in schema.json()["paths"]
    assert APIClient().get("/api/v1/openapi.yaml").status_code == 200
    assert "cdn" not in page.lower()
    assert "drf_spectacular_sidecar" in page
