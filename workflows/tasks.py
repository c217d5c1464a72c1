"""The one Celery task: a wake-up. It parses, hands over, and needs no result."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from celery import current_task, shared_task
from celery.exceptions import Reject
from django.conf import settings

from workflows.dispatch.canvas import TASK
from workflows.execution import reactor, shift
from workflows.execution.places import PlacesClosed
from workflows.store import ActivationRef


@shared_task(name=TASK, ignore_result=True)
def wake(*_unknown: object, refs: object = None, carries: object = (), **_later: object) -> None:
    """This will carry the named activations as far as they go; what is over or somebody else's is left alone.

    `_later` takes what newer senders may add, so that an old worker survives their messages. Raises Reject, which
    sets the message aside, where it names no activations.
    """
    named, carried = _named(refs), _segments(carries)
    io_worker = reactor.find_running()
    if io_worker is None:
        shift.execute(named, carries=carried, rank=_rank())
        return
    try:
        io_worker.execute(named, carries=carried)
    except PlacesClosed as error:
        raise Reject("this worker is ending, or was full for long", requeue=True) from error


def _named(refs: object) -> Sequence[ActivationRef]:
    try:
        return [ActivationRef(UUID(str(run)), int(segment), int(slot)) for run, segment, slot in _list(refs)]
    except (TypeError, ValueError) as error:
        raise Reject(f"a wake-up names no activations: {error}", requeue=False) from error


def _segments(carries: object) -> frozenset[int]:
    try:
        return frozenset(int(segment) for segment in _list(carries))
    except (TypeError, ValueError) as error:
        raise Reject(f"a wake-up carries no segments: {error}", requeue=False) from error


def _list(value: object) -> Sequence[Any]:  # Any: whatever the JSON of a message holds
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list was expected, not {type(value).__name__}")
    return value


def _rank() -> int:
    """The place of this wake-up's lane in the order of urgency; work of unknown origin makes way for nobody."""
    info: Mapping[str, object] = current_task.request.delivery_info or {}
    return _ranks().get(str(info.get("routing_key")), 0)


@cache
def _ranks() -> Mapping[str, int]:
    return {lane: rank for rank, lane in enumerate(settings.LANES)}
