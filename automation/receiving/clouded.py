"""Reads a request whose source sends CloudEvents 1.0: one in structured or binary mode, or a batch; it stores nothing.

The events keep the source of the webhook, which was proven; what they themselves call their source is part of their id,
and their attribute `origin`.
"""

from dataclasses import replace

from automation.verification.contract import Request, Untold
from automation.verification.reading import body_of
from workflows import cloud_events
from workflows.core.correlation import NewEvent
from workflows.core.definition import JsonValue

_SHOWN = 5


def events_of(request: Request) -> list[NewEvent]:
    """This will give the events of a request. Raises Untold, which says where it is wrong."""
    body = _data(request)
    is_batch = isinstance(body, list) and not cloud_events.is_binary(request.headers)
    document = cloud_events.document_of(request.headers, body) if cloud_events.is_binary(request.headers) else body
    documents = document if is_batch and isinstance(document, list) else [document]
    if not 1 <= len(documents) <= cloud_events.MAX_AT_ONCE:
        raise Untold(f"$: a batch has 1 to {cloud_events.MAX_AT_ONCE} events, this has {len(documents)}")
    read = [cloud_events.read(one, at=f"$[{place}]" if is_batch else "$") for place, one in enumerate(documents)]
    problems = [problem for _, found in read for problem in found]
    if problems:
        raise Untold("; ".join(f"{problem.path}: {problem.message}" for problem in problems[:_SHOWN]))
    return [_ours(event) for event, _ in read if event is not None]


def _data(request: Request) -> JsonValue:
    kind = request.headers.get("content-type", "")
    if cloud_events.is_binary(request.headers) and request.body:
        if kind.lower().startswith("text/"):
            return request.body.decode(errors="replace")
        if not cloud_events.is_json(kind):
            raise Untold(f"$.datacontenttype: data of the kind {kind[:100]} cannot be stored: send JSON or text")
    data: JsonValue = body_of(request)
    return data


def _ours(event: NewEvent) -> NewEvent:
    """The same id may come from several sources behind one webhook."""
    attributes = {**event.attributes, "origin": event.source}
    return replace(event, id=f"{event.source}#{event.id}", attributes=attributes)
