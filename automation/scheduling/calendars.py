"""Makes, changes and deletes calendars of days off."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, EventKind
from automation import wording
from automation.errors import CalendarInUse, ScheduleInvalid
from automation.models import DayCalendar, Schedule
from automation.schedule.exclusions import read_days_off
from automation.schedule_queries import get_calendar
from automation.scheduling.trail import event
from workflows.core.problems import Problem


def set_calendar(
    *, name: str, days: Mapping[str, Any], description: str | None = None, actor: Actor, now: datetime
) -> tuple[DayCalendar, bool]:
    """This will make or change a calendar; the same again changes nothing. Raises ScheduleInvalid."""
    if not wording.is_name(name):
        raise ScheduleInvalid([Problem("$.name", f"{name!r} cannot be a name", "write for example holidays-de")])
    try:
        read_days_off(days)
    except ValueError as error:
        raise ScheduleInvalid([Problem("$.days", str(error))]) from error
    with transaction.atomic():
        found = DayCalendar.objects.select_for_update().filter(name=name).first()
        calendar = found or DayCalendar(name=name)
        text = calendar.description if description is None else description
        if found is not None and (found.days, found.description) == (dict(days), text):
            return found, False
        calendar.days, calendar.description, calendar.updated_at = dict(days), text, now
        calendar.save()
        kind = EventKind.CALENDAR_CHANGED
        audit.record(event(kind, name=name, actor=actor, now=now, subject="calendar", days=dict(days)))
    return calendar, found is None


def delete_calendar(*, name: str, actor: Actor, now: datetime) -> None:
    """This will delete a calendar that no schedule names. Raises UnknownCalendar, CalendarInUse."""
    with transaction.atomic():
        calendar = get_calendar(name)
        user = Schedule.objects.filter(ended_at=None, rule__calendars__contains=[name]).order_by("name").first()
        if user is not None:
            raise CalendarInUse(name=name, used_by=user.name)
        calendar.delete()
        audit.record(event(EventKind.CALENDAR_DELETED, name=name, actor=actor, now=now, subject="calendar"))
