"""The page of a workflow's release: who gets which version, the figures of a canary, its promotion and its end."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from workflows import operations, releases
from workflows.admin.pages import ReadingAdmin, actor_of, crumb_of, is_allowed, names_of, require
from workflows.core.canary import Figures, Rule
from workflows.errors import WorkflowError
from workflows.models import Release, Workflow
from workflows.release_errors import CanaryInvalid

_RELEASES = 20
_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Side:
    """A version and its figures, as one column of the page."""

    number: int
    role: str
    percent: float
    figures: Figures | None


class Releasing:
    """The page, inside the workflows' admin."""

    def __init__(self, site: ReadingAdmin) -> None:
        self._site = site

    def page(self, request: HttpRequest, workflow_id: int) -> HttpResponse:
        """This will show the release, or do with it what a button of the page says."""
        workflow = get_object_or_404(Workflow, id=workflow_id)
        if request.method != "POST":
            if not self._site.has_view_permission(request):
                raise PermissionDenied
            return self._page(request, workflow)
        require(request, "change_workflow")
        try:
            after = _act(request, workflow=workflow.name)
        except WorkflowError as error:
            return self._page(request, workflow, problem=str(error), status=422)
        messages.success(request, f"{releases.sentence(after)}.")
        return HttpResponseRedirect(reverse("admin:workflows_workflow_release", args=(workflow_id,)))

    def _page(self, request: HttpRequest, workflow: Workflow, *, problem: str = "", status: int = 200) -> HttpResponse:
        current = releases.find_current(workflow)
        history = list(releases.history_of(workflow)[:_RELEASES])
        trial = None if current is None else releases.trial_of(current)
        numbers = list(workflow.versions.order_by("-number").values_list("number", flat=True)[:_VERSIONS])
        context: Mapping[str, object] = {
            "title": f"Release of {workflow.name}",
            "workflow": workflow,
            "current": current,
            "trial": trial,
            "sides": _sides(current, trial=trial),
            "others": [number for number in numbers if current is None or number != current.version.number],
            "history": history,
            "names": names_of({release.began_by for release in history}),
            "cap": releases.RUNS_COUNTED,
            "may_change": is_allowed(request, "change_workflow"),
            "problem": problem,
            "form": request.POST or _form(current),
        }
        return self._site.render(request, "workflows/release.html", context, crumbs=[crumb_of(workflow)], status=status)


def read_canary(sent: Mapping[str, str]) -> operations.Canary:
    """This will read the share and the rule of a form. Raises CanaryInvalid."""
    percent = _number(sent, field="percent")
    if percent is None:
        raise CanaryInvalid(field="percent", problem="is missing: write a share from 0 to 100")
    failed_percent, after_runs = _number(sent, field="failed_percent"), _number(sent, field="after_runs")
    if failed_percent is None and after_runs is None:
        return operations.Canary(percent=percent)
    if failed_percent is None or after_runs is None:
        missing = "failed_percent" if failed_percent is None else "after_runs"
        raise CanaryInvalid(field=missing, problem="is missing: fill in both fields of the rule, or none")
    return operations.Canary(percent=percent, rule=Rule(failed_percent, int(after_runs)))


def _act(request: HttpRequest, *, workflow: str) -> Release:
    sent, actor, now = request.POST, actor_of(request), timezone.now()
    version = int(sent["version"]) if sent.get("version", "").isdecimal() else None
    reason = sent.get("reason", "").strip()[:1000]
    match sent.get("verb"):
        case "promote":
            return operations.promote(workflow=workflow, version=version, reason=reason, actor=actor, now=now)
        case "rollback":
            return operations.roll_back(workflow=workflow, reason=reason, actor=actor, now=now)
        case _:
            canary = read_canary(sent)
            return operations.set_canary(workflow=workflow, canary=canary, version=version, actor=actor, now=now)


def _form(current: Release | None) -> Mapping[str, str]:
    """The fields as they are now, without what only a computer would write."""
    if current is None or current.canary is None:
        return {}
    given = {name: getattr(current, name) for name in ("failed_percent", "after_runs")}
    values = {"percent": current.canary_percent, **given}
    return {name: f"{value:g}" for name, value in values.items() if value is not None}


def _number(sent: Mapping[str, str], *, field: str) -> float | None:
    text = sent.get(field, "").strip().replace(",", ".")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise CanaryInvalid(field=field, problem=f"must be a number, not {text!r}")
    return number


def _sides(current: Release | None, *, trial: releases.Trial | None) -> Sequence[Side]:
    if current is None or trial is None or current.canary is None:
        return ()
    percent = current.canary_percent
    return (
        Side(current.version.number, "in use", 100 - percent, trial.stable),
        Side(current.canary.number, "canary", percent, trial.canary),
    )
