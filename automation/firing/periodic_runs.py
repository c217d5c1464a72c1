"""Tells django-celery-beat's tables that a periodic task has run; it starts nothing."""

from datetime import datetime

from django.db.models import F
from django_celery_beat.models import PeriodicTask


def note_run(task_id: int, *, now: datetime) -> None:
    """This will count a run. A task that is to run once is switched off, as in the admin: everybody hears of it."""
    rows = PeriodicTask.objects.filter(id=task_id)
    rows.update(last_run_at=now, total_run_count=F("total_run_count") + 1)
    task = rows.filter(one_off=True, enabled=True).first()
    if task is not None:
        task.enabled = False
        task.save()
