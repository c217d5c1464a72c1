"""Every error of the API as application/problem+json (RFC 9457); strangers never read what broke inside."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.response import Response
from rest_framework.views import exception_handler, set_rollback

from automation.errors import (
    AlertRuleInvalid,
    AlertRuleNotYours,
    BackfillEnded,
    CalendarInUse,
    EndpointInvalid,
    MessageNotEnded,
    ScheduleInvalid,
    ScheduleNotYours,
    SourceInUse,
    SourceInvalid,
    UnknownAlertRule,
    UnknownBackfill,
    UnknownCalendar,
    UnknownDelivery,
    UnknownEndpoint,
    UnknownMessage,
    UnknownSchedule,
    UnknownSource,
)
from integrations import errors as integration_errors
from workflows import errors, human_errors
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.release_errors import CanaryInvalid, NoCanary

log = structlog.get_logger(__name__)
CONTENT_TYPE = "application/problem+json"
_TYPE = "urn:problem-type:automation:"
_AGAIN_S = 5

_REFUSALS: Mapping[type[Exception], tuple[int, str]] = {
    errors.UnknownWorkflow: (404, "workflow-unknown"),
    errors.UnknownVersion: (404, "version-unknown"),
    CanaryInvalid: (422, "canary-invalid"),
    NoCanary: (409, "no-canary"),
    errors.WorkflowDisabled: (409, "workflow-disabled"),
    errors.InputInvalid: (422, "input-invalid"),
    errors.EventInvalid: (422, "event-invalid"),
    errors.UnknownEvent: (404, "event-unknown"),
    errors.LaneFull: (503, "lane-full"),
    errors.StartKeyReused: (422, "idempotency-key-reused"),
    errors.StartRateLimited: (429, "start-rate-limited"),
    errors.ConcurrencyReached: (409, "concurrency-reached"),
    errors.UnknownRun: (404, "run-unknown"),
    errors.RunEnded: (409, "run-ended"),
    errors.RunBusy: (409, "run-busy"),
    errors.RunNotEnded: (409, "run-not-ended"),
    errors.NothingToUndo: (409, "nothing-to-undo"),
    errors.RetryRefused: (409, "retry-refused"),
    errors.RetryUnderWay: (409, "retry-under-way"),
    errors.MoveRefused: (409, "move-refused"),
    errors.ResultRefused: (409, "result-refused"),
    errors.UnknownDeadLetter: (404, "dead-letter-unknown"),
    errors.DeadLetterResolved: (409, "dead-letter-resolved"),
    errors.NotRequeueable: (409, "not-requeueable"),
    errors.RunUndone: (409, "run-undone"),
    errors.StillEnding: (409, "run-ending"),
    errors.UnknownIncident: (404, "incident-unknown"),
    errors.UnknownMessage: (404, "message-unknown"),
    errors.MessageResolved: (409, "message-resolved"),
    errors.UnknownLimit: (404, "limit-unknown"),
    errors.LimitInvalid: (422, "limit-invalid"),
    errors.LimitInUse: (409, "limit-in-use"),
    errors.PauseInvalid: (422, "pause-invalid"),
    errors.NotPaused: (404, "not-paused"),
    human_errors.UnknownPerson: (422, "person-unknown"),
    human_errors.UnknownRequest: (404, "request-unknown"),
    human_errors.RequestClosed: (409, "request-closed"),
    human_errors.AlreadyAnswered: (409, "already-answered"),
    human_errors.NotAsked: (403, "not-asked"),
    human_errors.DelegationRefused: (409, "delegation-refused"),
    human_errors.ClaimRefused: (409, "claim-refused"),
    human_errors.UnknownLink: (404, "link-unknown"),
    human_errors.LinkRevoked: (409, "link-revoked"),
    human_errors.AnswerInvalid: (422, "answer-invalid"),
    integration_errors.UnknownCall: (404, "call-unknown"),
    integration_errors.CallNotOpen: (409, "call-not-open"),
    integration_errors.OutputUnusable: (422, "output-unusable"),
    DefinitionInvalid: (422, "definition-invalid"),
    ScheduleInvalid: (422, "schedule-invalid"),
    UnknownSchedule: (404, "schedule-unknown"),
    ScheduleNotYours: (409, "schedule-not-yours"),
    UnknownCalendar: (404, "calendar-unknown"),
    CalendarInUse: (409, "calendar-in-use"),
    UnknownBackfill: (404, "backfill-unknown"),
    BackfillEnded: (409, "backfill-ended"),
    integration_errors.WrongConnection: (422, "connection-invalid"),
    integration_errors.UnknownConnection: (404, "connection-unknown"),
    integration_errors.WrongSecret: (422, "secret-invalid"),
    integration_errors.UnknownSecret: (404, "secret-unknown"),
    integration_errors.SecretInUse: (409, "secret-in-use"),
    AlertRuleInvalid: (422, "alert-rule-invalid"),
    UnknownAlertRule: (404, "alert-rule-unknown"),
    AlertRuleNotYours: (409, "alert-rule-not-yours"),
    SourceInvalid: (422, "source-invalid"),
    UnknownSource: (404, "source-unknown"),
    SourceInUse: (409, "source-in-use"),
    UnknownDelivery: (404, "delivery-unknown"),
    EndpointInvalid: (422, "endpoint-invalid"),
    UnknownEndpoint: (404, "endpoint-unknown"),
    UnknownMessage: (404, "message-unknown"),
    MessageNotEnded: (409, "message-not-ended"),
    RequestDataTooBig: (413, "body-too-large"),
    SuspiciousOperation: (400, "request-invalid"),
    OperationalError: (503, "database-away"),
    InterfaceError: (503, "database-away"),
}
"""What the engine and the framework refuse, with status and the last part of the problem's type."""

_WITH_PROBLEMS = (
    errors.InputInvalid,
    errors.EventInvalid,
    human_errors.AnswerInvalid,
    errors.RetryRefused,
    errors.MoveRefused,
    DefinitionInvalid,
    ScheduleInvalid,
    SourceInvalid,
    EndpointInvalid,
)
_DETAILS: Mapping[type[Exception], str] = {
    RequestDataTooBig: "the body is larger than this site accepts",
    SuspiciousOperation: "the request is not well-formed",
    OperationalError: "the database does not answer at this moment: ask again",
    InterfaceError: "the database does not answer at this moment: ask again",
}
"""Where the exception's own text is not meant for callers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemDetails:
    """The members of a problem document; `problems` is ours: every single thing that is wrong."""

    status: int
    word: str
    detail: str
    problems: Sequence[Problem] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def document(self, *, instance: str) -> dict[str, object]:
        """This will give the JSON document of the answer."""
        document: dict[str, object] = {
            "type": _TYPE + self.word,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.problems:
            document["problems"] = [asdict(problem) for problem in self.problems]
        return document


def handle(error: Exception, context: Mapping[str, Any]) -> Response:  # Any: as the framework declares it
    """This will turn any exception of a view into its problem; what nobody expected is logged, and a 500."""
    details = _details(error, context=context)
    set_rollback()
    if details is None:
        details = _unexpected(error, request=context.get("request"))
    elif details.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, errors.LaneFull):
        log.warning("api_unavailable", error=type(error).__name__, reason=str(error))
    return Response(
        details.document(instance=context["request"].path),
        status=details.status,
        headers=dict(details.headers),
        content_type=CONTENT_TYPE,
    )


def unknown_path(request: HttpRequest, **_: object) -> HttpResponse:
    """This will answer a path of the API that does not exist."""
    details = ProblemDetails(status=404, word="path-unknown", detail=f"there is no {request.path}: see /api/v1/docs")
    body = orjson.dumps(details.document(instance=request.path))
    return HttpResponse(body, status=details.status, content_type=CONTENT_TYPE)


def _details(error: Exception, *, context: Mapping[str, Any]) -> ProblemDetails | None:
    if isinstance(error, APIException | Http404 | PermissionDenied):
        return _of_framework(error, context=context)
    known = next((kind for kind in type(error).__mro__ if kind in _REFUSALS), None)
    told = _REFUSALS[known] if known is not None else getattr(error, "refusal", None)
    if told is None:
        return None
    status, word = told
    return ProblemDetails(
        status=status,
        word=word,
        detail=(_DETAILS.get(known) if known else None) or str(error),
        problems=_problems(error),
        headers=_headers(error, status=status),
    )


def _problems(error: Exception) -> Sequence[Problem]:
    if isinstance(error, integration_errors.WrongConnection | integration_errors.WrongSecret):
        return [Problem(path=f"$.{path}", message=message) for path, message in sorted(error.problems.items())]
    if isinstance(error, errors.WorkflowError) and error.refusal is not None:
        return getattr(error, "problems", ())
    return error.problems if isinstance(error, _WITH_PROBLEMS) else ()


def _headers(error: Exception, *, status: int) -> Mapping[str, str]:
    if isinstance(error, errors.StartRateLimited):
        return {"Retry-After": str(math.ceil(error.again_in_s))}  # RFC 9110 has whole seconds only
    return {"Retry-After": str(_AGAIN_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}


def _of_framework(error: APIException | Http404 | PermissionDenied, *, context: Mapping[str, Any]) -> ProblemDetails:
    """The framework knows the status and the headers (WWW-Authenticate, Allow, Retry-After)."""
    response = exception_handler(error, dict(context))
    assert response is not None, "the framework handles its own errors"
    headers = {name: str(value) for name, value in response.headers.items() if name != "Content-Type"}
    if isinstance(error, ValidationError):
        found = tuple(_places(error.detail, path="$"))
        detail = "; ".join(f"{problem.path}: {problem.message}" for problem in found)
        return ProblemDetails(
            status=error.status_code, word="request-invalid", detail=detail, problems=found, headers=headers
        )
    detail = str(response.data["detail"]) if response.data else str(error)
    word = getattr(getattr(error, "detail", None), "code", None) or "not-found"
    return ProblemDetails(status=response.status_code, word=str(word).replace("_", "-"), detail=detail, headers=headers)


def _places(detail: object, *, path: str) -> Iterator[Problem]:
    """The framework nests its messages like the request: flatten them to JSON paths."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            yield from _places(value, path=path if key == "non_field_errors" else f"{path}.{key}")
    elif isinstance(detail, list):
        for value in detail:
            yield from _places(value, path=path)
    else:
        yield Problem(path=path, message=str(detail))


def _unexpected(error: Exception, *, request: Any) -> ProblemDetails:  # Any: the framework's request
    log.error("api_failed", error=type(error).__name__, exc_info=error)
    got_request_exception.send(sender=None, request=request)
    return ProblemDetails(
        status=500, word="internal", detail="something went wrong here, not in your request; it was logged"
    )
