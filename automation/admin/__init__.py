"""Who may start work and when, in the admin: tokens, schedules, calendars; every change is one operation."""

from automation.admin.alerts import AlertAdmin, AlertRuleAdmin
from automation.admin.calendars import CalendarAdmin
from automation.admin.schedules import ScheduleAdmin
from automation.admin.tokens import ApiTokenAdmin

__all__ = ["AlertAdmin", "AlertRuleAdmin", "ApiTokenAdmin", "CalendarAdmin", "ScheduleAdmin"]
