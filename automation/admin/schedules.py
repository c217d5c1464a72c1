"""Schedules in the admin: what is due next, what became of due times, and what can be done; no row is edited."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from automation import schedule_explaining, schedule_queries, scheduling
from automation.admin.schedule_form import ScheduleForm
from automation.errors import AutomationError
from automation.models import Schedule
from automation.schedule.backfill import Order, Reprocess
from automation.schedule.rule import TIMINGS
from workflows.admin.pages import ReadingAdmin, actor_of, names_of
from workflows.templatetags.workflow_display import span

_FIRES = 50
_COLOURS = {"active": "succeeded", "paused": "skipped", "ended": "cancelled", "exhausted": "skipped"}
_FIRE_COLOURS = {
    "due": "ready",
    "buffered": "waiting",
    "started": "succeeded",
    "sending": "running",
    "sent": "succeeded",
    "skipped": "skipped",
    "refused": "failed",
}


@admin.register(Schedule)
class ScheduleAdmin(ReadingAdmin):
    """The list with what is next and what was latest, and a page for each."""

    page_template = "automation/schedule.html"
    list_display = ("name", "shown_state", "when", "workflow", "next_fire", "latest_fire")
    list_filter = ("source",)
    search_fields = ("name", "workflow")
    ordering = ("name",)
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:  # noqa: ARG002 - Django calls it so
        """This will list all schedules, each with its latest fire."""
        return schedule_queries.with_latest_fire(schedule_queries.schedules(with_ended=True))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  Any: Django's signature
        """This will allow who may view schedules, or change them by their operations."""
        return any(request.user.has_perm(f"automation.{word}_schedule") for word in ("view", "change"))

    def get_urls(self) -> list[URLPattern]:
        """This will add the pages and the buttons of a schedule."""
        wrap = self.admin_site.admin_view
        actions: Mapping[str, Callable[..., HttpResponse]] = {
            "pause": self.pause,
            "resume": self.resume,
            "trigger": self.trigger,
            "backfill": self.backfill,
        }
        form = ScheduleForm(self)
        own = [
            path(f"<int:schedule_id>/{word}/", wrap(action), name=f"automation_schedule_{word}")
            for word, action in actions.items()
        ]
        stop = path("backfills/<int:backfill_id>/stop/", wrap(self.stop), name="automation_backfill_stop")
        new = path("new/", wrap(form.edit), name="automation_schedule_new")
        edit = path("<int:schedule_id>/edit/", wrap(form.edit), name="automation_schedule_edit")
        return [*own, stop, new, edit, *super().get_urls()]

    @admin.display(description="state")
    def shown_state(self, schedule: Schedule) -> SafeString:
        """This will show the state, and why it is paused."""
        return _badge(_COLOURS[schedule.state], schedule.state)

    @admin.display(description="when")
    def when(self, schedule: Schedule) -> str:
        """This will say when it is due, in short."""
        return timing_text(schedule)

    @admin.display(description="next fire", ordering="next_fire_at")
    def next_fire(self, schedule: Schedule) -> str:
        """This will give the next fire in the schedule's zone."""
        if schedule.next_fire_at is None:
            return "-"
        local = schedule.next_fire_at.astimezone(schedule_queries.rule_of(schedule).zone)
        return f"{local:%Y-%m-%d %H:%M:%S %Z}"

    @admin.display(description="latest fire")
    def latest_fire(self, schedule: Schedule) -> SafeString | str:
        """This will give the latest due time, what became of it, and how late it was written down."""
        fire = getattr(schedule, "latest", None)
        if fire is None:
            return "-"
        due_at, fire_at, at = (datetime.fromisoformat(fire[key]) for key in ("due_at", "fire_at", "recorded_at"))
        late = span((at - fire_at).total_seconds())
        return _badge(_FIRE_COLOURS[fire["state"]], f"{due_at.astimezone(UTC):%m-%d %H:%M} · {late} late")

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, object]:  # Any: the model's row
        """This will give what the page of one schedule shows."""
        schedule: Schedule = row
        now = timezone.now()
        backfills = list(schedule_queries.backfills_of(schedule)[:10])
        return {
            "title": schedule.name,
            "schedule": schedule,
            "colour": _COLOURS[schedule.state],
            "timing": timing_text(schedule),
            "zone": schedule.rule.get("timezone", "UTC"),
            "why": schedule_explaining.explain(schedule, now=now),
            "upcoming": schedule_queries.preview(schedule, now=now),
            "fires": [(fire, _FIRE_COLOURS[fire.state]) for fire in schedule_queries.fires_of(schedule)[:_FIRES]],
            "missed": [one for one in schedule_queries.missed_fires(now=now) if one.schedule_id == schedule.pk],
            "backfills": [(one, len(one.dues)) for one in backfills],
            "names": names_of([schedule.created_by, schedule.paused_by, *(one.created_by for one in backfills)]),
            "may_act": _may_change(request),
            "may_edit": _may_change(request) and schedule.source != Schedule.DEFINITION and schedule.ended_at is None,
            "orders": [one.value for one in Order],
            "reprocesses": [one.value for one in Reprocess],
        }

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:  # Any: Django's signature
        """This will show the list, with the way to a new schedule."""
        more = {"may_add": _may_change(request), **(extra_context or {})}
        return super().changelist_view(request, more)

    def pause(self, request: HttpRequest, schedule_id: int) -> HttpResponse:
        """This will pause a schedule, for the reason that was given."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            return self._refuse(request, schedule_id, "Say why: the reason is shown on the schedule.")

        def act(schedule: Schedule, now: datetime) -> str:
            scheduling.pause(schedule=schedule, reason=reason, actor=actor_of(request), now=now)
            return "Paused. What falls into the pause is not made up for."

        return self._act(request, schedule_id, act)

    def resume(self, request: HttpRequest, schedule_id: int) -> HttpResponse:
        """This will resume a schedule."""

        def act(schedule: Schedule, now: datetime) -> str:
            scheduling.resume(schedule=schedule, actor=actor_of(request), now=now)
            return "Resumed: it is due again from now on."

        return self._act(request, schedule_id, act)

    def trigger(self, request: HttpRequest, schedule_id: int) -> HttpResponse:
        """This will have a schedule fire now."""

        def act(schedule: Schedule, now: datetime) -> str:
            scheduling.trigger(schedule=schedule, actor=actor_of(request), now=now)
            return "It fires now."

        return self._act(request, schedule_id, act)

    def backfill(self, request: HttpRequest, schedule_id: int) -> HttpResponse:
        """This will list what a backfill would do, or start it."""

        def act(schedule: Schedule, now: datetime) -> str:
            wish = _wish(request)
            if "dry_run" in request.POST:
                plan = scheduling.plan_backfill(schedule=schedule, wish=wish, now=now)
                first = ", ".join(f"{due:%Y-%m-%d %H:%M}" for due in plan.dues[:5])
                return f"{len(plan.dues)} due times would be done ({first}), {len(plan.left_alone)} left alone."
            made = scheduling.start_backfill(schedule=schedule, wish=wish, actor=actor_of(request), now=now)
            return f"Backfill {made.pk} has begun: {len(made.dues)} due times."

        return self._act(request, schedule_id, act)

    def stop(self, request: HttpRequest, backfill_id: int) -> HttpResponse:
        """This will stop a backfill."""
        backfill = schedule_queries.get_backfill(backfill_id)

        def act(_schedule: Schedule, now: datetime) -> str:
            scheduling.stop_backfill(backfill_id=backfill_id, actor=actor_of(request), now=now)
            return "Stopped: it begins nothing more."

        return self._act(request, backfill.schedule_id, act)

    def _act(self, request: HttpRequest, schedule_id: int, act: Callable[[Schedule, datetime], str]) -> HttpResponse:
        if request.method != "POST" or not _may_change(request):
            raise PermissionDenied("this needs the permission automation.change_schedule, and a form")
        schedule = get_object_or_404(Schedule, id=schedule_id)
        try:
            messages.success(request, act(schedule, timezone.now()))
        except (AutomationError, ValueError) as error:
            return self._refuse(request, schedule_id, str(error))
        return _back(schedule_id)

    def _refuse(self, request: HttpRequest, schedule_id: int, text: str) -> HttpResponse:
        messages.error(request, text)
        return _back(schedule_id)


def timing_text(schedule: Schedule) -> str:
    """This will say when a schedule is due, in short."""
    kind = next((name for name in TIMINGS if name in schedule.rule), "")
    zone = schedule.rule.get("timezone", "UTC")
    value = schedule.rule.get(kind)
    match kind:
        case "cron":
            return f"{value} ({zone})"
        case "every":
            return f"every {value} s" if isinstance(value, int | float) else f"every {value}"
        case "at":
            return f"at {value if isinstance(value, str) else ', '.join(value or ())}"[:80]
        case "solar":
            return f"{value['event'].replace('_', ' ')} at {value['latitude']}, {value['longitude']}" if value else ""
        case _:
            return f"crontab of its periodic task ({zone})"


def _badge(colour: str, label: str) -> SafeString:
    return render_to_string("workflows/badge.html", {"state": colour, "label": label})


def _may_change(request: HttpRequest) -> bool:
    return request.user.has_perm("automation.change_schedule")


def _back(schedule_id: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:automation_schedule_change", args=(schedule_id,)))


def _wish(request: HttpRequest) -> scheduling.BackfillWish:
    """Read the form. Raises ValueError when an instant or a number is none."""

    def instant(name: str) -> datetime:
        found = datetime.fromisoformat(request.POST.get(name, ""))
        return found if found.tzinfo is not None else found.replace(tzinfo=UTC)

    return scheduling.BackfillWish(
        starts_at=instant("start"),
        ends_at=instant("end"),
        order=Order(request.POST.get("order", "")),
        parallel=int(request.POST.get("parallel", "1")),
        reprocess=Reprocess(request.POST.get("reprocess", "")),
    )
