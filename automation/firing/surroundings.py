"""What else matters for fires that are judged together: runs under way, buffers, days off; read once for all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count

from automation.models import Fire, Schedule
from automation.schedule.decide import FireState, Surroundings
from automation.schedule.exclusions import DaysOff
from automation.schedule.rule import Busy
from automation.schedule_queries import days_off, rule_of, runs_under_way


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
    return Known(running=runs_under_way(careful), calendars=days_off(names), buffered=_buffered(careful))


def _buffered(schedule_ids: Sequence[int]) -> Mapping[int, int]:
    if not schedule_ids:
        return {}
    rows = Fire.objects.filter(schedule_id__in=schedule_ids, state=FireState.BUFFERED).values_list("schedule_id")
    return dict(rows.annotate(number=Count("id")).order_by("schedule_id"))
