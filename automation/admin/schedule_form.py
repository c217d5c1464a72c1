"""The form in which a schedule is written, in YAML or JSON; what it comes to is shown before it is saved."""

from collections.abc import Sequence
from typing import Any

import orjson
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from automation import scheduling
from automation.errors import AutomationError, ScheduleInvalid
from automation.models import Schedule
from automation.schedule.preview import Upcoming, next_fires
from automation.schedule.rule import read_rule
from automation.scheduling.declaring import POLICIES
from automation.scheduling.documents import check_document, rule_part
from workflows.admin.pages import ReadingAdmin, actor_of
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.documents import parse_document
from workflows.errors import WorkflowError

TEMPLATE = """\
cron: "0 8 * * MON-FRI"
timezone: Europe/Berlin
misfire: latest
overlap: skip
# jitter: 30s
# calendars: [holidays-de]
# input: {day: "${{ schedule.date }}"}
"""
_CHANGEABLE = Schedule.objects.filter(source__in=(Schedule.USER, Schedule.PERIODIC), ended_at=None)


class ScheduleForm:
    """The page, inside the schedules' admin."""

    def __init__(self, site: ReadingAdmin) -> None:
        self._site = site

    def edit(self, request: HttpRequest, schedule_id: int | None = None) -> HttpResponse:
        """This will show the form; sent, it previews or saves."""
        if not request.user.has_perm("automation.change_schedule"):
            raise PermissionDenied("this needs the permission automation.change_schedule")
        schedule = None if schedule_id is None else get_object_or_404(_CHANGEABLE, id=schedule_id)
        if request.method != "POST":
            return self._page(request, schedule, form=_form_of(schedule))
        form = {key: request.POST.get(key, "").replace("\r\n", "\n") for key in ("name", "workflow", "source")}
        if schedule is not None:
            form["name"] = schedule.name
        try:
            document = parse_document(form["source"]).document
            if schedule is not None and schedule.source == Schedule.PERIODIC:
                scheduling.set_policies(
                    schedule=schedule, policies=document, actor=actor_of(request), now=timezone.now()
                )
                return _saved(request, schedule)
            if "preview" in request.POST:
                check_document(document)
                rule = read_rule(rule_part(document), anchor=timezone.now())
                upcoming = next_fires(rule, after=timezone.now(), seed=form["name"])
                return self._page(request, schedule, form=form, upcoming=upcoming)
            saved, _ = scheduling.save_schedule(
                name=form["name"],
                workflow=form["workflow"],
                document=document,
                actor=actor_of(request),
                now=timezone.now(),
            )
        except (DefinitionInvalid, ScheduleInvalid) as error:
            return self._page(request, schedule, form=form, problems=error.problems, status=422)
        except (WorkflowError, AutomationError) as error:
            problem = Problem("$", str(error))
            return self._page(request, schedule, form=form, problems=[problem], status=422)
        return _saved(request, saved)

    def _page(
        self,
        request: HttpRequest,
        schedule: Schedule | None,
        *,
        form: dict[str, str],
        problems: Sequence[Problem] = (),
        upcoming: Sequence[Upcoming] = (),
        status: int = 200,
    ) -> HttpResponse:
        context: dict[str, Any] = {  # Any: a template's context
            "title": "New schedule" if schedule is None else f"Change {schedule.name}",
            "schedule": schedule,
            "form": form,
            "problems": problems,
            "upcoming": upcoming,
        }
        return self._site.render(request, "automation/schedule_form.html", context, status=status)


def _saved(request: HttpRequest, schedule: Schedule) -> HttpResponse:
    messages.success(request, f"{schedule.name} is saved.")
    return HttpResponseRedirect(reverse("admin:automation_schedule_change", args=(schedule.pk,)))


def _form_of(schedule: Schedule | None) -> dict[str, str]:
    if schedule is None:
        return {"name": "", "workflow": "", "source": TEMPLATE}
    is_periodic = schedule.source == Schedule.PERIODIC
    document = {key: value for key, value in schedule.rule.items() if not is_periodic or key in POLICIES}
    if schedule.input is not None:
        document["input"] = schedule.input
    source = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    return {"name": schedule.name, "workflow": schedule.workflow, "source": source}
