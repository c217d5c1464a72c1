"""Sends the Celery tasks of periodic tasks that start no workflow, as django-celery-beat would, but recorded.

The fire says first that a message is on its way, then that it was sent. A process that dies in between has it sent
again with the same task id: at least once, told apart by its id.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import orjson
import structlog
from celery import current_app
from django.db import DatabaseError, connection, transaction
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu.exceptions import KombuError

from automation.firing.periodic_runs import note_run
from automation.models import Fire, Schedule
from automation.schedule.decide import FireState, Reason

log = structlog.get_logger(__name__)
_CLAIM = timedelta(seconds=30)
_BATCH = 50
_LOOK_S = 0.5


def run(*, is_stopping: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """This will send until told to stop, beside the loop that keeps the time: a broker may take as long as it likes."""
    try:
        while not is_stopping():
            try:
                sent = send_due(now=timezone.now())
            except DatabaseError:
                connection.close()
                sent = 0
            except Exception:  # whatever it was, the messages of others must go on
                log.exception("periodic_tasks_failed")
                sent = 0
            wait(0.0 if sent else _LOOK_S)
    finally:
        connection.close()


def send_due(*, now: datetime) -> int:
    """This will send what is to be sent, at most 50; gives how many were sent."""
    return sum(_send(fire, now=now) for fire in _claim(now=now))


def _claim(*, now: datetime) -> list[Fire]:
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    with transaction.atomic():
        rows = Fire.objects.filter(free, state=FireState.SENDING).order_by("id").select_for_update(skip_locked=True)
        fires = list(rows[:_BATCH])
        Fire.objects.filter(id__in=[fire.pk for fire in fires]).update(claimed_until=now + _CLAIM)
    return fires


def _send(fire: Fire, *, now: datetime) -> bool:
    schedule = Schedule.objects.filter(id=fire.schedule_id).first()
    task = None if schedule is None else PeriodicTask.objects.filter(id=schedule.periodic_task_id).first()
    sending = Fire.objects.filter(id=fire.pk, state=FireState.SENDING)
    if task is None:
        sending.update(state=FireState.REFUSED, reason=Reason.REFUSED, detail="its periodic task is gone")
        return False
    try:
        args, kwargs, options = _message(task, fire=fire)
    except ValueError as error:
        sending.update(state=FireState.REFUSED, reason=Reason.REFUSED, detail=str(error)[:500])
        return False
    try:
        current_app.send_task(task.task, args=args, kwargs=kwargs, **options)
    except (KombuError, OSError) as error:
        log.warning("periodic_task_unsent", task=task.name, reason=str(error))
        sending.update(claimed_until=now + timedelta(seconds=2))
        return False
    sending.update(state=FireState.SENT, settled_at=now)
    note_run(task.pk, now=now)
    return True


def _message(task: PeriodicTask, *, fire: Fire) -> tuple[list[Any], dict[str, Any], Mapping[str, Any]]:  # Any: JSON
    options: dict[str, Any] = {
        name: value
        for name in ("queue", "exchange", "routing_key", "priority")
        if (value := getattr(task, name)) is not None
    }
    if task.expires_ is not None:
        options["expires"] = task.expires_
    headers = {**orjson.loads(task.headers or "{}"), "periodic_task_name": task.name}
    task_id = str(uuid5(NAMESPACE_URL, f"fire:{fire.schedule_id}:{fire.due_at.isoformat()}:{fire.round}"))
    more = {**options, "headers": headers, "task_id": task_id, "retry": False}
    return orjson.loads(task.args or "[]"), orjson.loads(task.kwargs or "{}"), more
