"""Celery tasks as users have them, for periodic tasks that no workflow stands behind."""

import os
from typing import Any

from celery import Task, shared_task


@shared_task(name="flows.note", bind=True)
def note(self: "Task[..., None]", ledger: str) -> None:
    """This will append the id of its message to a file."""
    file: Any = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(file, f"{self.request.id}\n".encode())
    finally:
        os.close(file)
