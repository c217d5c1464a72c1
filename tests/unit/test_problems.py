"""Exceptions as problem documents."""

import pytest
from django.http import Http404

from tests.support import environment

environment.set_up_django()

from django.core.exceptions import RequestDataTooBig  # noqa: E402 - the framework reads settings when imported
from django.db import OperationalError  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from rest_framework import exceptions  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from automation import problems  # noqa: E402
from workflows import errors  # noqa: E402
from workflows.core.problems import DefinitionInvalid, Problem  # noqa: E402

PLACE = Problem(path="$.total", message="is missing", hint="give a number", line=3, column=5)


def handled(error: Exception) -> Response:
    """This will let the handler answer an error of a request to /api/v1/runs."""
    return problems.handle(error, {"request": RequestFactory().get("/api/v1/runs"), "view": None})


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (errors.UnknownWorkflow("shipping"), 404, "workflow-unknown"),
        (errors.WorkflowDisabled("shipping"), 409, "workflow-disabled"),
        (errors.InputInvalid([PLACE]), 422, "input-invalid"),
        (DefinitionInvalid([PLACE]), 422, "definition-invalid"),
        (errors.StartKeyReused("k"), 422, "idempotency-key-reused"),
        (errors.UnknownRun("r"), 404, "run-unknown"),
        (errors.RunEnded(run_id="r", state="failed"), 409, "run-ended"),
        (errors.UnknownDeadLetter(7), 404, "dead-letter-unknown"),
        (errors.DeadLetterResolved(dead_letter_id=7, state="requeued"), 409, "dead-letter-resolved"),
        (errors.RunBusy(), 409, "run-busy"),
        (OperationalError("connection to server at db.internal failed"), 503, "database-away"),
        (RequestDataTooBig(), 413, "body-too-large"),
        (Http404(), 404, "not-found"),
        (exceptions.NotAuthenticated(), 401, "not-authenticated"),
        (exceptions.PermissionDenied("needs runs:write"), 403, "permission-denied"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method-not-allowed"),
        (exceptions.UnsupportedMediaType("text/csv"), 415, "unsupported-media-type"),
        (exceptions.Throttled(wait=3), 429, "throttled"),
    ],
)
def test_handle_gives_each_error_its_status_and_type(error: Exception, status: int, word: str) -> None:
    response = handled(error)

    assert (response.status_code, response.data["status"]) == (status, status)
    assert response.data["type"] == f"urn:problem-type:automation:{word}"
    assert response.data["instance"] == "/api/v1/runs"
    assert response.data["detail"]
    assert response.content_type == "application/problem+json"


def test_handle_names_every_place_that_is_wrong_with_line_and_column() -> None:
    response = handled(DefinitionInvalid([PLACE, PLACE]))

    place = {"path": "$.total", "message": "is missing", "hint": "give a number", "line": 3, "column": 5}
    assert response.data["problems"] == [place, place]


def test_handle_turns_nested_validation_messages_into_json_paths() -> None:
    response = handled(exceptions.ValidationError({"workflow": ["is required"], "input": {"total": ["is wrong"]}}))

    assert response.status_code == 400
    assert [(place["path"], place["message"]) for place in response.data["problems"]] == [
        ("$.workflow", "is required"),
        ("$.input.total", "is wrong"),
    ]


def test_handle_says_when_to_come_again_and_not_where_the_database_is() -> None:
    response = handled(OperationalError("connection to server at db.internal failed"))

    assert response.headers["Retry-After"] == "5"
    assert "db.internal" not in str(response.data)


def test_handle_keeps_what_an_unexpected_error_says_to_itself() -> None:
    response = handled(ZeroDivisionError("the secret is 42"))

    assert response.status_code == 500
    assert "42" not in str(response.data)
