"""The loops of a receiver, each in a thread of its own: a lost database is waited for, not died of."""

from collections.abc import Callable

import structlog
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from automation.outbound.delivering import Sender
from automation.receiving import expecting, firing, processing

log = structlog.get_logger(__name__)
_IDLE_S = 0.1
_EXPECT_S = 1.0
_SEND_S = 0.5
_AWAY_S = 1.0


def read_requests(*, is_stopping: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """This will make events of what came in."""
    _repeat(lambda: processing.process(now=timezone.now()), idle_s=_IDLE_S, is_stopping=is_stopping, wait=wait)


def fire_triggers(*, is_stopping: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """This will start the runs that events ask for."""
    _repeat(lambda: firing.fire(now=timezone.now()), idle_s=_IDLE_S, is_stopping=is_stopping, wait=wait)


def expect_events(*, is_stopping: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """This will notice events that stay away."""
    _repeat(lambda: expecting.look(now=timezone.now()), idle_s=_EXPECT_S, is_stopping=is_stopping, wait=wait)


def send_webhooks(*, sender: Sender, is_stopping: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """This will send what is due to endpoints; several threads may, with one sender."""
    _repeat(sender.send_one, idle_s=_SEND_S, is_stopping=is_stopping, wait=wait)


def _repeat(
    part: Callable[[], int], *, idle_s: float, is_stopping: Callable[[], bool], wait: Callable[[float], object]
) -> None:
    """Again at once while there is something to do."""
    while not is_stopping():
        pause_s = _AWAY_S
        try:
            pause_s = 0.0 if part() else idle_s
        except DatabaseError:
            log.warning("receiver_database_away", exc_info=True)
            connection.close()
        except Exception:  # whatever it was, a receiver that does nothing would look alive
            log.exception("receiver_failed")
            connection.close()
        if pause_s:
            wait(pause_s)
            close_old_connections()
    connection.close()
