"""The one Celery task: a wake-up. It parses, hands over, and needs no result."""

from collections.abc import Sequence
from uuid import UUID

from celery import shared_task

from workflows.dispatch.canvas import TASK
from workflows.execution import shift
from workflows.store import ActivationRef


@shared_task(name=TASK, ignore_result=True)
def wake(refs: Sequence[Sequence[str | int]], carries: Sequence[int] = (), **_later: object) -> None:
    """This will carry the named activations as far as they go; what is over or somebody else's is left alone.

    `_later` takes what newer senders may add, so that an old worker survives their messages.
    """
    named = [ActivationRef(UUID(str(run)), int(segment), int(slot)) for run, segment, slot in refs]
    shift.execute(named, carries=frozenset(carries))
