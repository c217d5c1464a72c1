"""Events over HTTP: publish (CloudEvents 1.0 in JSON), list, read."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from workflows import cloud_events, event_queries, operations
from workflows.access import Scope
from workflows.api.answers import problems
from workflows.api.base import ApiViewSet
from workflows.api.callers import actor_of
from workflows.api.event_forms import (
    CloudEventSerializer,
    EventDetailSerializer,
    EventSerializer,
    PublishedBatchSerializer,
    PublishedSerializer,
)
from workflows.api.filters import EventFilter
from workflows.api.formats import CloudEventBatchParser, CloudEventParser, JsonParser
from workflows.api.pagination import NewestFirst
from workflows.core.correlation import NewEvent
from workflows.core.definition import JsonValue
from workflows.core.problems import Problem
from workflows.errors import EventInvalid
from workflows.operations import Published

_ANSWER = PolymorphicProxySerializer(
    component_name="PublishedAnswer",
    serializers=[PublishedSerializer, PublishedBatchSerializer],
    resource_type_field_name=None,
)


class CloudEventViewSet(ApiViewSet):
    """Events: what happened elsewhere, for steps that wait for it."""

    write_scope = Scope.EVENTS_WRITE
    serializer_class = EventSerializer
    pagination_class = NewestFirst
    filterset_class = EventFilter
    parser_classes = (JsonParser, CloudEventParser, CloudEventBatchParser)
    queryset = event_queries.newest()

    @extend_schema(
        request={
            "application/cloudevents+json": CloudEventSerializer,
            "application/cloudevents-batch+json": CloudEventSerializer(many=True),
            "application/json": CloudEventSerializer,
        },
        responses={202: _ANSWER, 200: _ANSWER, **problems(400, 422)},
    )
    def create(self, request: Request) -> Response:
        """Publish an event, or up to 100, all of them or none: 202, or 200 when each of them came before.

        What was answered with 202 is stored. The same `source` and `id` again changes nothing. In binary mode the
        attributes are headers that begin with `ce-`, and the body is the data: JSON or text.
        """
        body: Any = _body(request)  # Any: JSON
        documents = body if isinstance(body, list) else [body]
        events = _read(documents, is_batch=isinstance(body, list))
        told = operations.publish_events(events, actor=actor_of(request), now=timezone.now())
        results = [_answer(event, one) for event, one in zip(events, told, strict=True)]
        accepted = sum(one.is_new for one in told)
        answer = {"accepted": accepted, "duplicates": len(told) - accepted, "results": results}
        return Response(
            answer if isinstance(body, list) else results[0],
            status=status.HTTP_202_ACCEPTED if accepted else status.HTTP_200_OK,
        )

    def list(self, _request: Request) -> Response:
        """List events, the newest first."""
        return self.page_of(self.get_queryset())

    @extend_schema(responses={200: EventDetailSerializer, **problems(404)})
    def retrieve(self, _request: Request, event_id: UUID) -> Response:
        """Read an event, and which steps received it."""
        return Response(EventDetailSerializer(event_queries.get_event(row=event_id)).data)


def _body(request: Request) -> Any:  # Any: JSON
    """An event or a list of them, in whichever mode it came."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not cloud_events.is_binary(headers):
        return request.data
    kind = headers.get("content-type", "")
    body: bytes = request.body
    if body and not kind.lower().startswith("text/"):
        if not cloud_events.is_json(kind):
            message = f"data of the kind {kind[:100]} cannot be stored"
            raise EventInvalid([Problem("$.datacontenttype", message, "send JSON or text")])
        return cloud_events.document_of(headers, JsonParser().parse(BytesIO(body)))
    try:
        return cloud_events.document_of(headers, body.decode() if body else None)
    except UnicodeDecodeError:
        raise EventInvalid([Problem("$.data", "is not UTF-8", "send JSON, or text in UTF-8")]) from None


def _read(documents: Sequence[JsonValue], *, is_batch: bool) -> Sequence[NewEvent]:
    if len(documents) > cloud_events.MAX_AT_ONCE:
        message = f"{len(documents)} events are too many at once: at most {cloud_events.MAX_AT_ONCE} are taken"
        raise EventInvalid([Problem("$", message)])
    events: list[NewEvent] = []
    found: list[Problem] = []
    for place, document in enumerate(documents):
        event, wrong = cloud_events.read(document, at=f"$[{place}]" if is_batch else "$")
        found.extend(wrong)
        events.extend([event] if event is not None else [])
    if found:
        raise EventInvalid(found)
    return events


def _answer(event: NewEvent, told: Published) -> dict[str, object]:
    return {
        "event": str(told.row),
        "id": event.id,
        "source": event.source,
        "status": "accepted" if told.is_new else "duplicate",
        "waiting": told.waiting,
    }
