"""Takes attempts from workers that give no sign of life any more; they count as lost, as if the worker had died."""

from datetime import datetime

import structlog
from django.db import transaction

from workflows import heartbeats, statements

log = structlog.get_logger(__name__)


def sweep(*, now: datetime) -> int:
    """This will make due what is late with its heartbeat; gives how much. Safe beside others."""
    late = heartbeats.late(now)
    if not late:
        return 0
    with transaction.atomic():
        taken = [f"{row.run_id}/{row.step}" for row in late if heartbeats.give_up(row)]
        if taken:
            statements.run("notify", {})
    if taken:
        log.warning("steps_silent", steps=taken)
    return len(taken)
