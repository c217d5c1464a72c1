"""The loop of schedules inside a scheduler process: the leader works, the others watch whether it does."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from automation import schedule_queries, schedule_store
from automation.firing import filling, periodic, planning, settling
from automation.firing.leading import Leadership
from automation.firing.watching import Watcher, raise_alarms

log = structlog.get_logger(__name__)
MOST_RECORDED = 5_000
_LOOK_S = 0.5
_AWAY_S = 0.5
_STALLED_S = 3.0
_STANDS_IN_S = 10.0
_ALARM_EVERY_S = 10.0

Clock = Callable[[], datetime]


class Loop:
    """One scheduler's part in the work. `clock` is what it takes for now; a test may give another one."""

    def __init__(self, *, clock: Clock = timezone.now) -> None:
        self._clock = clock
        self._watcher = Watcher()
        self._sync = periodic.Sync()
        self._looked_at = float("-inf")
        self._alarmed_at = time.monotonic()
        self._stands_in_until = float("-inf")

    def round(self) -> int:
        """This will do all that is due once; gives how much there was, so that more is done at once if there is more.

        What is due is written down first: what then becomes of it may take its time.
        """
        now = self._clock()
        done = schedule_store.record_fires(now=now, recorded_at=self._recorded_at(now), most=MOST_RECORDED).schedules
        done += planning.plan(now=now, recorded_at=self._recorded_at(now))
        done += settling.settle(now=now)
        if time.monotonic() - self._looked_at >= _LOOK_S:
            done += self.look(now=now)
        return done

    def look(self, *, now: datetime) -> int:
        """This will do what can wait half a second: ends of runs, backfills, changes of periodic tasks."""
        self._looked_at = time.monotonic()
        return sum(_safely(part, now=now) for part in (self._sync.look, self._watcher.look, filling.fill))

    def stands_in(self) -> bool:
        """This will tell whether whoever leads has stalled: then we do the work for a while, which does no harm."""
        if time.monotonic() < self._stands_in_until:
            return True
        now = self._clock()
        self.alarm(now=now)
        next_s = schedule_store.next_fire_s(now=now)
        is_late = next_s is not None and next_s < -_STALLED_S
        if is_late or schedule_queries.is_work_left(now=now, after=timedelta(seconds=_STALLED_S)):
            log.warning("schedules_leader_stalled", stands_in_s=_STANDS_IN_S)
            self._stands_in_until = time.monotonic() + _STANDS_IN_S
            return True
        return False

    def alarm(self, *, now: datetime) -> None:
        """This will raise alarms from time to time."""
        if time.monotonic() - self._alarmed_at >= _ALARM_EVERY_S:
            self._alarmed_at = time.monotonic()
            raise_alarms(now=now)

    def pause_s(self) -> float:
        """This will give how long nothing is due, at most until it must look again."""
        next_s = schedule_store.next_fire_s(now=self._clock())
        return _LOOK_S if next_s is None else min(max(next_s, 0.0), _LOOK_S)

    def _recorded_at(self, now: datetime) -> datetime | None:
        """The database's own clock says when a row was written, unless the clock is not the real one."""
        return None if self._clock is timezone.now else now


def _safely(part: Callable[..., int], *, now: datetime) -> int:
    """What fails in one part holds up no other, and no due time."""
    try:
        return part(now=now)
    except DatabaseError:
        raise
    except Exception:  # whatever it was
        log.exception("schedules_part_failed", part=getattr(part, "__qualname__", str(part)))
        return 0


def run(*, is_stopping: Callable[[], bool], wait: Callable[[float], object]) -> None:
    """This will work until told to stop. A lost database is waited for, not died of."""
    leadership, loop = Leadership(), Loop()
    was_leading = False
    try:
        while not is_stopping():
            try:
                is_leading = leadership.is_held()
                if is_leading != was_leading:
                    log.info("schedules_leading" if is_leading else "schedules_following")
                    was_leading = is_leading
                wait(_step(loop, is_leading=is_leading))
            except DatabaseError:
                log.warning("schedules_database_away", exc_info=True)
                connection.close()
                leadership.let_go()
                wait(_AWAY_S)
            except Exception:  # whatever it was, a scheduler without schedules would look alive
                log.exception("schedules_failed")
                wait(_AWAY_S)
    finally:
        leadership.let_go()
        connection.close()


def _step(loop: Loop, *, is_leading: bool) -> float:
    """One round of whoever leads or stands in, one look of whoever does not; gives how long to wait."""
    if not is_leading and not loop.stands_in():
        return _LOOK_S
    return 0.0 if loop.round() else loop.pause_s()
