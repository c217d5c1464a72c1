"""The one Celery task: a wake-up. It parses, hands over, and needs no result."""

from collections.abc import Sequence
from uuid import UUID

from celery import shared_task
from celery.exceptions import Reject

from workflows.dispatch.canvas import TASK
from workflows.execution import reactor, shift
from workflows.execution.places import PlacesClosed
from workflows.store import ActivationRef


@shared_task(name=TASK, ignore_result=True)
def wake(refs: Sequence[Sequence[str | int]], carries: Sequence[int] = (), **_later: object) -> None:
    """This will carry the named activations as far as they go; what is over or somebody else's is left alone.

    `_later` takes what newer senders may add, so that an old worker survives their messages.
    """
    named = [ActivationRef(UUID(str(run)), int(segment), int(slot)) for run, segment, slot in refs]
    io_worker = reactor.find_running()
    if io_worker is None:
        shift.execute(named, carries=frozenset(carries))
        return
    try:
        io_worker.execute(named, carries=frozenset(carries))
    except PlacesClosed as error:
        raise Reject("this worker is ending, or was full for long", requeue=True) from error
