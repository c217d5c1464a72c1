"""Makes a Celery worker on the threads pool an I/O worker; a worker on any other pool is left as it is.

Celery has no pool for asyncio. Here its threads only claim, and the event loop of `workflows.execution.reactor`
carries what they claimed.
"""

import resource

import structlog
from celery import signals
from celery.bootsteps import StartStopStep
from celery.concurrency import thread
from celery.worker import WorkController
from django.conf import settings

from config import tracing
from workflows.execution import reactor

log = structlog.get_logger(__name__)
_OTHER_FILES = 512


class CarryOnEventLoop(StartStopStep):
    """Starts the event loop before the first message comes, and ends it after the last."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, parent: WorkController) -> bool:
        """This will tell whether the worker runs on threads."""
        return issubclass(parent.pool_cls, thread.TaskPool)  # type: ignore[attr-defined]  # celery-types misses it

    def start(self, _parent: WorkController) -> None:
        """This will start the loop."""
        _allow_files(settings.IO_CONCURRENCY + _OTHER_FILES)
        tracing.start("io_worker")
        self._reactor = reactor.begin()
        signals.worker_shutting_down.connect(self._hurry, weak=False)

    def stop(self, _parent: WorkController) -> None:
        """This will let the steps under way end, or cut them off at a second signal."""
        self._reactor.stop(grace_s=settings.IO_GRACE_S)

    def terminate(self, _parent: WorkController) -> None:
        """This will cut off what is under way."""
        self._reactor.stop(grace_s=0.0)

    def _hurry(self, how: str, **_: object) -> None:
        if how == "Cold":
            self._reactor.hurry()


def _allow_files(count: int) -> None:
    """Each waiting call holds a socket, and many systems allow a process 1,024 files until it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted < count:
        log.warning("few_files_allowed", allowed=wanted, wanted=count)
