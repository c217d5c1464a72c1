"""The floor of the Celery rows: a plain Celery application on the same servers, with queues of its own.

Every setting is Celery's default but those that make it durable: messages are confirmed after the work and at
publishing, and a child holds no more than the message it works on.

    celery -A benchmarks.bare_celery worker -c 2 -P prefork -Ofair
"""

import os
import time
from collections.abc import Sequence
from typing import Any

from celery import Celery, Signature, chain, chord, group
from celery.result import AsyncResult

QUEUE = "bare"
DJANGO_QUEUE = "bare-django"
_LIMIT_S = 120.0

app = Celery("benchmarks.bare_celery", set_as_current=False, fixups=[])
app.conf.update(
    broker_url=os.environ["BROKER_URL"],
    result_backend=os.environ["REDIS_URL"],
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    worker_hijack_root_logger=False,
    worker_enable_remote_control=False,
)


@app.task
def noop() -> int:
    """This will do nothing."""
    return 0


@app.task
def stamp() -> float:
    """This will say when the task was running, by the clock of this machine."""
    return time.time()


@app.task
def split() -> int:
    """This will begin a fan-out."""
    return 0


@app.task
def join(results: list[int]) -> int:
    """This will end a fan-out and count what came back."""
    return len(results)


def chain_of(steps: int) -> Signature[Any]:  # Any: what a task returns
    """This will be a sequence of tasks that do nothing."""
    return chain(*(noop.si() for _ in range(steps)))


def fan_out_of(items: int) -> Signature[Any]:  # Any: as above
    """This will be one task, then `items` tasks side by side, then one that joins them."""
    return chain(split.si(), chord(group(noop.si() for _ in range(items)), join.s()))


class ResultsMissing(Exception):
    """Results did not come in time."""


def wait_for(results: Sequence[AsyncResult[Any]], *, every_s: float) -> None:
    """This will return when all results are stored. Raises ResultsMissing.

    It asks Redis for all of them at once: that costs less than `get`, which subscribes to each result, and it cannot
    miss one that is stored while the subscription is on its way.
    """
    backend: Any = app.backend  # its type knows nothing of Redis
    keys = [backend.get_key_for_task(result.id) for result in results]
    deadline = time.monotonic() + _LIMIT_S
    while (stored := backend.client.exists(*keys)) < len(keys):
        if time.monotonic() > deadline:
            raise ResultsMissing(f"{stored} of {len(keys)} results after {_LIMIT_S:.0f} s")
        time.sleep(every_s)
