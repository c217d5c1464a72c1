"""The start page of the admin and its sidebar; it counts no table to the end and changes nothing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from automation.alerting import evaluating
from integrations import call_queries, queries
from reconciliation import queries as reconciliation
from workflows import human_queries, human_rights, incident_queries, overview
from workflows.core.states import RunState
from workflows.overview import Hour, Lane

_PERIODIC = "django_celery_beat.view_periodictask"
_HOUR = timedelta(hours=1)
_DAY = timedelta(hours=24)
_CHART_HEIGHT = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class HourBar:
    """One hour of the chart. Places are percent of the width, heights are pixels from the top."""

    x: str
    width: str
    middle: str
    top: str
    height: str
    failed_top: str
    failed_height: str
    label: str
    title: str
    filter: str


@dataclass(frozen=True, slots=True)
class LaneRow:
    """A lane with the age of what has waited longest."""

    lane: Lane
    oldest_s: float | None


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:  # Any: a template's context
    """This will add what the start page shows, if the user may look at runs at all."""
    now = timezone.now()
    context["title"] = "Dashboard"
    context["waiting_for_me"] = _inbox(request)
    context["may_see_runs"] = request.user.has_perm("workflows.view_run")
    if not context["may_see_runs"]:
        return context
    states, is_capped = overview.recent_states(now=now, within=_HOUR)
    hours = overview.runs_per_hour(now=now)
    started = sum(states.values())
    return {
        **context,
        "now": now,
        "running": overview.running_count(),
        "started": overview.Tally(started, is_capped),
        "succeeded": overview.Tally(states[RunState.SUCCEEDED], is_capped),
        "failed": overview.Tally(states[RunState.FAILED], is_capped),
        "open_letters": overview.open_dead_letters(),
        "hours": hour_bars(hours),
        "hours_most": max((hour.started.number for hour in hours), default=0),
        "hours_capped": any(hour.started.is_capped for hour in hours),
        "hours_cap": overview.RUNS_PER_HOUR_CAP,
        "chart_height": _CHART_HEIGHT,
        "lanes": [_lane_row(lane, now=now) for lane in overview.lanes()],
        "failing": overview.failing_workflows(now=now, within=_DAY),
    }


def hour_bars(hours: Sequence[Hour]) -> Sequence[HourBar]:
    """This will lay the hours out side by side, as high as the busiest one allows."""
    most = max([hour.started.number for hour in hours] + [1])
    share = 100 / max(1, len(hours))
    return [_hour_bar(hour, x=index * share, share=share, most=most) for index, hour in enumerate(hours)]


def _hour_bar(hour: Hour, *, x: float, share: float, most: int) -> HourBar:
    number = hour.started.number
    failed = min(hour.failed.number, number)
    height = max(_CHART_HEIGHT * number / most, 2.0 if number else 0.0)
    failed_height = max(_CHART_HEIGHT * failed / most, 2.0 if failed else 0.0)
    return HourBar(
        x=f"{x + share * 0.15:.3f}%",
        width=f"{share * 0.7:.3f}%",
        middle=f"{x + share / 2:.3f}%",
        top=f"{_CHART_HEIGHT - height:.1f}",
        height=f"{height:.1f}",
        failed_top=f"{_CHART_HEIGHT - failed_height:.1f}",
        failed_height=f"{failed_height:.1f}",
        label=f"{hour.begins_at:%H:%M}" if hour.begins_at.hour % 4 == 0 else "",
        filter=f"{hour.begins_at:%Y-%m-%dT%H}",
        title=f"{hour.begins_at:%Y-%m-%d %H:%M}: {hour.started} started, {hour.failed} of them failed",
    )


def _lane_row(lane: Lane, *, now: datetime) -> LaneRow:
    oldest = lane.oldest_ready_at
    return LaneRow(lane, None if oldest is None else max(0.0, (now - oldest).total_seconds()))


def navigation(request: HttpRequest) -> list[dict[str, Any]]:  # Any: the theme's own dictionaries
    """This will give the groups of the sidebar, with what the user may see."""
    item = _Items(request).item
    groups = {
        "Operate": [
            item("Dashboard", "monitoring", "admin:index"),
            item("Inbox", "inbox", "admin:workflows_humanrequest_changelist", badge=partial(_inbox, request)),
            item("Runs", "play_circle", "admin:workflows_run_changelist", "workflows.view_run"),
            item(
                "Incidents",
                "emergency",
                "admin:workflows_incident_changelist",
                "workflows.view_incident",
                badge=_open_incidents,
            ),
            item(
                "Dead letters",
                "report",
                "admin:workflows_deadletter_changelist",
                "workflows.view_deadletter",
                badge=_open_letters,
            ),
            item(
                "Poison messages",
                "mark_email_unread",
                "admin:workflows_poisonmessage_changelist",
                "workflows.view_poisonmessage",
            ),
            item(
                "Alerts",
                "notifications_active",
                "admin:automation_alert_changelist",
                "automation.view_alert",
                badge=_alerts,
            ),
            *_outside(item),
        ],
        "Events": _events(item),
        "Reconcile": _reconcile(item),
        "Define": _define(item),
        "Govern": [
            item("Audit", "verified_user", "admin:audit_auditevent_changelist", "audit.view_auditevent"),
            item("API tokens", "key", "admin:automation_apitoken_changelist", "automation.view_apitoken"),
            item("Users", "group", "admin:auth_user_changelist", "auth.view_user"),
        ],
    }
    shown = {title: [entry for entry in entries if entry is not None] for title, entries in groups.items()}
    return [{"title": title, "separator": False, "items": entries} for title, entries in shown.items() if entries]


def _events(item: Callable[..., Mapping[str, Any] | None]) -> list[Mapping[str, Any] | None]:  # Any: as above
    return [
        item("Published", "bolt", "admin:workflows_event_changelist", "workflows.view_event"),
        item("Waiting for", "hourglass_empty", "admin:workflows_eventwait_changelist", "workflows.view_eventwait"),
        item("Triggers", "start", "admin:automation_eventtrigger_changelist", "automation.view_eventtrigger"),
        item(
            "Webhooks in",
            "webhook",
            "admin:automation_webhookdelivery_changelist",
            "automation.view_webhookdelivery",
        ),
        item(
            "Webhook sources",
            "sensors",
            "admin:automation_webhooksource_changelist",
            "automation.view_webhooksource",
        ),
        item(
            "Webhooks out",
            "send",
            "admin:automation_webhookmessage_changelist",
            "automation.view_webhookmessage",
        ),
        item(
            "Endpoints",
            "outbound",
            "admin:automation_webhookendpoint_changelist",
            "automation.view_webhookendpoint",
        ),
        item(
            "Refused",
            "block",
            "admin:automation_webhookrefusal_changelist",
            "automation.view_webhookrefusal",
        ),
    ]


def _outside(item: Callable[..., Mapping[str, Any] | None]) -> list[Mapping[str, Any] | None]:  # Any: as above
    return [
        item(
            "Calls",
            "call_made",
            "admin:integrations_call_changelist",
            "integrations.view_call",
            badge=_unknown_calls,
        ),
        item(
            "Notifications",
            "outgoing_mail",
            "admin:integrations_notification_changelist",
            "integrations.view_notification",
            badge=_dead_notifications,
        ),
    ]


def _define(item: Callable[..., Mapping[str, Any] | None]) -> list[Mapping[str, Any] | None]:  # Any: as above
    return [
        item("Workflows", "account_tree", "admin:workflows_workflow_changelist", "workflows.view_workflow"),
        item("Schedules", "schedule", "admin:automation_schedule_changelist", "automation.view_schedule"),
        item("Calendars", "event_busy", "admin:automation_daycalendar_changelist", "automation.view_daycalendar"),
        item("Periodic tasks", "update", "admin:django_celery_beat_periodictask_changelist", _PERIODIC),
        item("Alert rules", "rule", "admin:automation_alertrule_changelist", "automation.view_alertrule"),
        item("Pauses", "pause_circle", "admin:workflows_pause_changelist", "workflows.view_pause"),
        item("Limits", "traffic", "admin:workflows_limit_changelist", "workflows.view_limit"),
        item("Connections", "cable", "admin:integrations_connection_changelist", "integrations.view_connection"),
        item("Secrets", "key", "admin:integrations_storedsecret_changelist", "integrations.view_storedsecret"),
    ]


def _reconcile(item: Callable[..., Mapping[str, Any] | None]) -> list[Mapping[str, Any] | None]:  # Any: as above
    return [
        item(
            "Variances",
            "difference",
            "admin:reconciliation_variance_changelist",
            "reconciliation.view_variance",
            badge=_open_variances,
        ),
        item("Jobs", "balance", "admin:reconciliation_job_changelist", "reconciliation.view_job"),
        item(
            "Comparisons",
            "compare_arrows",
            "admin:reconciliation_comparison_changelist",
            "reconciliation.view_comparison",
        ),
    ]


def style_sheet(request: HttpRequest) -> str:  # noqa: ARG001  the theme calls it so
    """This will give the address of the engine's own style sheet."""
    return static("workflows/admin.css")


class _Items:
    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def item(
        self,
        title: str,
        icon: str,
        view: str,
        permission: str = "",
        badge: Callable[[], str] | None = None,
    ) -> Mapping[str, Any] | None:  # Any: the theme's own dictionaries
        """This will give one entry, or None when the user may not see it or the page is not installed."""
        if permission and not self._request.user.has_perm(permission):
            return None
        try:
            link = reverse(view)
        except NoReverseMatch:
            return None
        entry: dict[str, Any] = {"title": title, "icon": icon, "link": link}
        if badge is not None and (text := badge()):
            entry |= {"badge": text, "badge_variant": "danger"}
        return entry


def _open_incidents() -> str:
    count = incident_queries.open_incidents()
    return str(count) if count else ""


def _inbox(request: HttpRequest) -> str:
    count = human_queries.inbox_count(human_rights.person_of(request.user))
    if count >= human_queries.BADGE_CAP:
        return f"{human_queries.BADGE_CAP - 1}+"
    return str(count) if count else ""


def _alerts() -> str:
    count = evaluating.firing().count()
    return str(count) if count else ""


def _open_variances() -> str:
    count = reconciliation.open_variances()
    return str(count) if count else ""


def _dead_notifications() -> str:
    count = queries.dead_notifications()
    return str(count) if count else ""


def _unknown_calls() -> str:
    count = call_queries.count_unknown()
    return str(count) if count else ""


def _open_letters() -> str:
    count = overview.open_dead_letters()
    return str(count) if count.number else ""
