"""Has months made ahead for as long as a scheduler runs; letting old ones go is left to a command of the operator."""

from collections.abc import Callable

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from retention.operations import months

log = structlog.get_logger(__name__)
_EVERY_S = 3_600.0
_AGAIN_S = 60.0


def watch(*, wait: Callable[[float], bool]) -> None:
    """This will make months, at once and then hourly, until `wait` (seconds to wait at most) says it is time to end."""
    pause_s = 0.0
    while not wait(pause_s):
        try:
            months.make_ahead(now=timezone.now())
            pause_s = _EVERY_S
        except DatabaseError:
            log.warning("database_away", exc_info=True)
            pause_s = _AGAIN_S
        finally:
            connection.close()
