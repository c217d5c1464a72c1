"""The one Celery task: a wake-up. It parses, hands over, and needs no result."""

from collections.abc import Mapping, Sequence
from functools import cache
from uuid import UUID

from celery import current_task, shared_task
from django.conf import settings

from workflows.dispatch.canvas import TASK
from workflows.execution import shift
from workflows.store import ActivationRef


@shared_task(name=TASK, ignore_result=True)
def wake(refs: Sequence[Sequence[str | int]], carries: Sequence[int] = (), **_later: object) -> None:
    """This will carry the named activations as far as they go; what is over or somebody else's is left alone.

    `_later` takes what newer senders may add, so that an old worker survives their messages.
    """
    named = [ActivationRef(UUID(str(run)), int(segment), int(slot)) for run, segment, slot in refs]
    info: Mapping[str, object] = current_task.request.delivery_info or {}
    shift.execute(named, carries=frozenset(carries), rank=_ranks().get(str(info.get("routing_key")), 0))


@cache
def _ranks() -> dict[str, int]:
    """The lanes in the order of urgency; work of unknown origin makes way for nobody."""
    return {lane: rank for rank, lane in enumerate(settings.LANES)}
