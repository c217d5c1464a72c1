"""Keeps a worker's connections to PostgreSQL across tasks; it never opens one."""

import time

from celery import signals
from django.db import connections

_IDLE_S = 2.0
_latest_end_at = [0.0]  # per pool process; a list, because signal handlers are functions


def keep_alive() -> None:
    """This will register the check before and after each task."""
    signals.task_prerun.connect(check_after_idleness, dispatch_uid="check_after_idleness")
    signals.task_postrun.connect(note_end, dispatch_uid="note_end")


def check_after_idleness(**_: object) -> None:
    """This will have a connection checked before its next use when it was idle or has failed.

    Under load no check is made: a round trip for each task would cost more than the task.
    """
    was_idle = time.monotonic() - _latest_end_at[0] > _IDLE_S
    for connection in connections.all(initialized_only=True):
        if was_idle or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def note_end(**_: object) -> None:
    """This will remember when the latest task ended."""
    _latest_end_at[0] = time.monotonic()
