"""The use cases of schedules: each in one transaction with its audit event.

from automation import scheduling
scheduling.pause(schedule=schedule, reason="stocktaking", actor=actor, now=timezone.now())
"""

from automation.schedule.backfill import Order, Reprocess
from automation.scheduling.backfills import BackfillPlan, BackfillWish, plan_backfill, start_backfill, stop_backfill
from automation.scheduling.calendars import delete_calendar, set_calendar
from automation.scheduling.control import pause, resume, trigger
from automation.scheduling.declaring import declare, end_schedule, save_schedule, set_policies
from automation.scheduling.section import ScheduleTrigger

__all__ = [
    "BackfillPlan",
    "BackfillWish",
    "Order",
    "Reprocess",
    "ScheduleTrigger",
    "declare",
    "delete_calendar",
    "end_schedule",
    "pause",
    "plan_backfill",
    "resume",
    "save_schedule",
    "set_calendar",
    "set_policies",
    "start_backfill",
    "stop_backfill",
    "trigger",
]
