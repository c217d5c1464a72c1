"""What else matters for fires that are judged together: runs under way, buffers, days off; read once for all."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count

from automation.models import Fire, Schedule
from automation.schedule.decide import Cause, FireState, Surroundings
from automation.schedule.exclusions import DaysOff
from automation.schedule.rule import Busy
from automation.schedule_queries import days_off, rule_of
from workflows import queries as workflows
from workflows.core.states import RunState

_GONE = "gone"
_ENDED = frozenset({RunState.SUCCEEDED.value, RunState.FAILED.value, RunState.CANCELLED.value, _GONE})


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some schedules."""

    running: Mapping[int, Sequence[UUID]]
    calendars: Mapping[str, DaysOff]
    buffered: Mapping[int, int]

    def around(self, schedule: Schedule) -> Surroundings:
        """This will give what matters for the next fire of a schedule."""
        names = rule_of(schedule).calendars
        return Surroundings(
            running=len(self.running.get(schedule.pk, ())),
            buffered=self.buffered.get(schedule.pk, 0),
            days_off=[self.calendars[name] for name in names if name in self.calendars],
        )


def know(schedules: Sequence[Schedule]) -> Known:
    """This will read what matters for schedules; those that allow overlap ask nothing."""
    careful = [one.pk for one in schedules if rule_of(one).busy is not Busy.ALLOW]
    names = {name for one in schedules for name in rule_of(one).calendars}
    return Known(running=_running(careful), calendars=days_off(names), buffered=_buffered(careful))


def _buffered(schedule_ids: Sequence[int]) -> Mapping[int, int]:
    if not schedule_ids:
        return {}
    rows = Fire.objects.filter(schedule_id__in=schedule_ids, state=FireState.BUFFERED).values_list("schedule_id")
    return dict(rows.annotate(number=Count("id")).order_by("schedule_id"))


def _running(schedule_ids: Sequence[int]) -> dict[int, list[UUID]]:
    """The runs that fires say are under way, asked again: one may have ended. A backfill has a bound of its own."""
    found: dict[int, list[UUID]] = defaultdict(list)
    if not schedule_ids:
        return found
    rows = Fire.objects.filter(schedule_id__in=schedule_ids, run_state=RunState.RUNNING, run_id__isnull=False)
    pairs = list(rows.exclude(cause=Cause.BACKFILL).order_by("id").values_list("schedule_id", "run_id"))
    states = workflows.states_of(run_ids=[run_id for _, run_id in pairs if run_id is not None])
    for schedule_id, run_id in pairs:
        if run_id is not None and states.get(run_id, _GONE) not in _ENDED:
            found[schedule_id].append(run_id)
    return found
