"""Where ended runs are retried: a page for one, an action for many; both say first what they would do."""

import json
from dataclasses import dataclass
from uuid import UUID

import orjson
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from workflows import operations, plans, queries
from workflows.admin.pages import ReadingAdmin, actor_of, require
from workflows.core.definition import JsonValue
from workflows.core.problems import Problem
from workflows.core.retry_plan import RetryFrom
from workflows.core.run_selection import RunSelection
from workflows.core.states import RunState
from workflows.errors import InputInvalid, RetryRefused, UnknownRun, WorkflowError
from workflows.models import Run
from workflows.operations import EditedInput, Outcome, Retried, RetryWanted

_AT_ONCE = 1_000
_REASON_CHARS = 1_000
_STATES = (RunState.FAILED, RunState.CANCELLED, RunState.SUCCEEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a look at the form has come to."""

    preview: Retried | None = None
    problems: tuple[Problem, ...] = ()


class Retrying:
    """Retries from the admin."""

    def __init__(self, pages: ReadingAdmin) -> None:
        self._pages = pages

    def page(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """This will ask how a run is retried, say what that would do, and do it when told so."""
        require(request, "add_run")
        try:
            run = queries.get_run(run_id=run_id)
        except UnknownRun as error:
            raise Http404(str(error)) from error
        own = json.dumps(run.input, indent=2, ensure_ascii=False)
        text = request.POST.get("input", own).replace("\r\n", "\n")
        found = _Found()
        if request.method == "POST":
            try:
                wanted = _wanted(request, edited=None if text.strip() == own.strip() else text)
                if request.POST.get("act") == "retry":
                    return self._retry(request, run_id=run_id, wanted=wanted)
                found = _Found(preview=operations.preview_retry(run_id=run_id, wanted=wanted))
            except (InputInvalid, RetryRefused) as error:
                found = _Found(problems=error.problems)
            except WorkflowError as error:
                found = _Found(problems=(Problem("", str(error)),))
        context = {
            "title": "Retry",
            "run": run,
            "input": text,
            "rows": min(24, max(6, text.count("\n") + 2)),
            "steps": plans.program_of(run.version_id).plan.main,
            "form": {name: request.POST.get(name, "") for name in ("from", "version", "reason")},
            "preview": found.preview,
            "problems": found.problems or (() if found.preview is None else found.preview.plan.hindrances),
        }
        crumb = (str(run.id), reverse("admin:workflows_run_change", args=(run_id,)))
        return self._pages.render(request, "workflows/retry.html", context, crumbs=[crumb])

    def _retry(self, request: HttpRequest, *, run_id: UUID, wanted: RetryWanted) -> HttpResponse:
        done = operations.retry_run(run_id=run_id, wanted=wanted, actor=actor_of(request), now=timezone.now())
        told = "This run retries it." if done.is_new_run else "What failed is tried again."
        messages.success(request, f"{told} It is done when it has succeeded.")
        return HttpResponseRedirect(reverse("admin:workflows_run_change", args=(done.run_id,)))

    def choose(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        """This will retry selected runs from what failed, after it has said how many would be."""
        require(request, "add_run")
        ids = list(queryset.order_by("id").values_list("id", flat=True)[:_AT_ONCE])
        is_confirmed = request.POST.get("confirmed") == "yes"
        wanted = RetryWanted(
            start=RetryFrom.START if request.POST.get("from") == "start" else RetryFrom.FAILED,
            on_newest=request.POST.get("version") == "newest",
            reason=request.POST.get("reason", "").strip()[:_REASON_CHARS],
        )
        outcomes = [
            operations.retry_matching(
                RunSelection(ids=tuple(ids), state=state),
                wanted=wanted,
                actor=actor_of(request),
                now=timezone.now(),
                limit=_AT_ONCE,
                dry_run=not is_confirmed,
            )
            for state in _STATES
        ]
        if is_confirmed:
            messages.info(request, _told(outcomes, selected=len(ids)))
            return None
        context = {"title": "Retry", "ids": ids, "told": _told(outcomes, selected=len(ids)), "wanted": wanted}
        return self._pages.render(request, "workflows/retry_selected.html", context)


def _told(outcomes: list[Outcome], *, selected: int) -> str:
    """Counts that add up: selected = retried (or would be) + skipped by reason."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        counts["retried"] = counts.get("retried", 0) + outcome.done
        for reason, number in outcome.skipped.items():
            counts[reason] = counts.get(reason, 0) + number
    counts["not ended"] = selected - sum(outcome.matched for outcome in outcomes)
    words = {"dry_run": "would be retried"}
    parts = [f"{number} {words.get(name, name.replace('_', ' '))}" for name, number in counts.items() if number]
    return f"{selected} selected: {', '.join(parts) or 'nothing'}."


def _wanted(request: HttpRequest, *, edited: str | None) -> RetryWanted:
    where = request.POST.get("from", RetryFrom.FAILED)
    step = where.removeprefix("step:") if where.startswith("step:") else ""
    return RetryWanted(
        start=RetryFrom.STEP if step else RetryFrom.START if where == RetryFrom.START else RetryFrom.FAILED,
        step=step,
        on_newest=request.POST.get("version") == "newest",
        edited=None if edited is None else EditedInput(_json(edited)),
        reason=request.POST.get("reason", "").strip()[:_REASON_CHARS],
    )


def _json(text: str) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InputInvalid([Problem("$", f"the input is not JSON: {error}")]) from error
    return value
