"""A step in the start of a worker: its main loop shows that it turns, and what it takes from which lane.

What it shows is judged by a probe from outside (docs/adr/0027-pulses.md); the worker asks the broker nothing for it.
"""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from amqp import spec
from amqp.exceptions import ConsumerCancelled
from celery import signals
from celery.bootsteps import StartStopStep
from celery.worker import state
from celery.worker.consumer import Consumer

from automation import pulse
from config import env
from workflows.execution import heartbeat

_EVERY_S = 1.0
_taken_at: dict[str, float] = {}


class Beating(StartStopStep):
    """Beats once a second, from the loop that receives messages; begun anew with each connection to the broker."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Consumer, **options: Any) -> None:  # Any: Celery's
        super().__init__(parent, **options)
        self._timer: Any = None  # Any: Celery's entry of a timer
        self._pulse = pulse.begin(
            kind="worker" if _has_children(parent) else "io",
            directory=pulse.directory_of(env.read().pulse_dir),
            name=str(parent.hostname),
        )
        self._pulse.beat(pulse.LOOP)
        signals.task_received.connect(_note_taken, dispatch_uid="note_taken")
        signals.worker_shutting_down.connect(self._note_end, weak=False)
        signals.worker_shutdown.connect(self._close, weak=False)

    def start(self, parent: Consumer) -> None:
        """This will beat from now on."""
        self._timer = parent.timer.call_repeatedly(_EVERY_S, self._beat, (parent,))
        self._beat(parent)

    def stop(self, _parent: Consumer) -> None:
        """This will beat no more: the connection is lost, or the worker ends."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _beat(self, parent: Consumer) -> None:
        _must_be_consuming(parent)
        held = Counter(_lane_of(request) for request in [*state.reserved_requests])
        lanes = {name: [held[name], _taken_at.get(name, 0.0)] for name in parent.app.amqp.queues.consume_from}
        self._pulse.show({"lanes": lanes, "room": _room(parent), "silent": _silent(parent)})
        self._pulse.beat(pulse.LOOP, rest_s=_EVERY_S)

    def _note_end(self, **_: object) -> None:
        self._pulse.end()

    def _close(self, **_: object) -> None:
        self._pulse.close()


def _must_be_consuming(parent: Consumer) -> None:
    """Connects anew where the broker has taken a consumer away and nobody noticed. Raises ConsumerCancelled.

    The broker says so once. Celery swallows what it reads in the first moments of its loop, and may swallow that.
    """
    consumer: Any = parent.task_consumer  # type: ignore[attr-defined]  # celery-types misses it
    known = getattr(consumer and consumer.channel, "callbacks", None)  # only of AMQP
    if known is not None:
        for tag in consumer._active_tags.values():
            if tag not in known:
                raise ConsumerCancelled(tag, spec.Basic.Cancel)


def _room(parent: Consumer) -> int:
    return int(parent.initial_prefetch_count)  # type: ignore[attr-defined]  # celery-types misses it


def _silent(parent: Consumer) -> Mapping[int, float]:
    pool = getattr(parent.pool, "_pool", None)
    return pool.silent() if _has_children(parent) and pool is not None else {}


def _has_children(parent: Consumer) -> bool:
    return hasattr(getattr(type(parent.pool), "Pool", None), "silent")


def _note_taken(request: Any, **_: object) -> None:  # Any: Celery's request
    _taken_at[_lane_of(request)] = time.monotonic()


def _lane_of(request: Any) -> str:  # Any: as above
    return str(request.delivery_info.get("routing_key", ""))


@signals.worker_process_init.connect
def _begin_anew(**_: object) -> None:
    heartbeat.forget()
