"""Runs in the admin: the list, and one run with all that happened to it; the changes it offers are cancel and undo."""

from collections.abc import Mapping
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit import queries as audit
from audit.admin_pages import cut
from integrations import call_queries
from workflows import (
    child_queries,
    closing_report,
    event_queries,
    human_queries,
    operations,
    releases,
    retries,
    timeline,
)
from workflows.admin import bars, graphs, pauses, waits
from workflows.admin.comparing import RunComparing
from workflows.admin.filters import ModeFilter, StartedFilter, WorkflowFilter
from workflows.admin.moving import move
from workflows.admin.pages import ReadingAdmin, actor_of, is_allowed, names_of, require, uuid_of
from workflows.admin.paging import CappedPaginator
from workflows.admin.results import set_result
from workflows.admin.retrying import Retrying
from workflows.core.pausing import PauseScope
from workflows.core.states import ItemState, RunState
from workflows.errors import NothingToUndo, RunBusy, RunEnded, RunNotEnded, UnknownRun
from workflows.models import Run
from workflows.templatetags.workflow_display import span

_EVENTS = 200
_SETTABLE = ("failed", "running", "ready", "retrying", "waiting")
"""States of steps whose result may be set by hand."""


@admin.register(Run)
class RunAdmin(ReadingAdmin):
    """The list of runs and the page of each; lists are never counted to the end."""

    chips = ("state__exact", (("", "all"), *((state.value, state.value) for state in RunState)))
    page_template = "workflows/run.html"
    paginator = CappedPaginator
    list_display = ("run", "workflow", "status", "started", "length", "actor", "correlation")
    list_before_template = "workflows/list_chips.html"  # type: ignore[assignment]  # unfold types it None
    list_display_links = ("run",)
    list_filter = ("state", WorkflowFilter, StartedFilter, ModeFilter)
    list_filter_sheet = False
    search_fields = ("correlation_id",)
    search_help_text = "The exact id of a run, or an exact correlation id"
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    actions = ("compare_selected", "retry_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Run]:
        """This will read runs without their inputs and outputs."""
        rows: QuerySet[Run] = super().get_queryset(request)
        return rows.defer("input", "output")

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """This will read one page of runs, and the names of who started them in one more query."""
        page: ChangeList = super().get_changelist_instance(request)
        names = names_of({run.started_by for run in page.result_list})
        standing = retries.standing_of([run.id for run in page.result_list if run.state != RunState.RUNNING])
        for run in page.result_list:
            run.names, run.retry = names, standing.get(run.id, "")
        return page

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002  Django's signature
        queryset: QuerySet[Run],
        search_term: str,
    ) -> tuple[QuerySet[Run], bool]:
        """This will find by whole ids only, which indexes answer."""
        term = search_term.strip()
        if not term:
            return queryset, False
        run_id = uuid_of(term)
        if run_id is not None and queryset.filter(id=run_id).exists():
            return queryset.filter(id=run_id), False
        return queryset.filter(correlation_id=term), False

    def get_urls(self) -> list[URLPattern]:
        """This will put the live part and the cancel button beside the admin's pages."""
        wrap = self.admin_site.admin_view
        own = [
            path("compare/", wrap(RunComparing(self).page), name="workflows_run_compare"),
            path("<uuid:run_id>/retry/", wrap(Retrying(self).page), name="workflows_run_retry"),
            path("<uuid:run_id>/steps/<str:step>/result/", wrap(require_POST(set_result)), name="workflows_run_result"),
            path("<uuid:run_id>/move/", wrap(require_POST(move)), name="workflows_run_move"),
            path("<uuid:run_id>/live/", wrap(self.live), name="workflows_run_live"),
            path("<uuid:run_id>/cancel/", wrap(require_POST(self.cancel)), name="workflows_run_cancel"),
            path("<uuid:run_id>/undo/", wrap(require_POST(self.undo)), name="workflows_run_undo"),
        ]
        return own + super().get_urls()

    def find_row(self, object_id: str) -> UUID:
        """This will read the id of a run from a URL; the page reads the run itself."""
        run_id = uuid_of(object_id)
        if run_id is None:
            raise Http404(f"{object_id} is no id of a run")
        return run_id

    def page_context(self, request: HttpRequest, row: UUID) -> dict[str, object]:
        """This will give a run with its steps, waits, attempts, items and audit events."""
        now = timezone.now()
        wanted = request.GET.get("items", "")
        story = timeline.find_story(row, item_state=wanted if wanted in set(ItemState) else "")
        if story is None:
            raise Http404(f"there is no run {row}")
        events = list(audit.events_for(str(row)).reverse()[: _EVENTS + 1])
        return {
            "title": f"Run of {story.run.workflow_name}",
            "story": story,
            "run": story.run,
            "now": now,
            "graph": graphs.run_graph(story, now=now),
            "axis": bars.axis_of(story, now=now),
            "waits": waits.sentences(story, now=now),
            "events": events[:_EVENTS],
            "has_more_events": len(events) > _EVENTS,
            "names": names_of({story.run.started_by, *(event.actor for event in events)}),
            "event": _event_of(story.run),
            "is_running": story.run.state == RunState.RUNNING,
            "requests": human_queries.open_of(row),
            "calls": call_queries.of_run(row),
            "closing": closing_report.report_of(story.run),
            "family": child_queries.family_of(story.run),
            **pauses.shown(PauseScope.RUN, name=str(row), back=reverse("admin:workflows_run_change", args=(row,))),
            "may_pause": is_allowed(request, "change_run") and story.run.state == RunState.RUNNING,
            "retry_of": retries.find_origin(row, state=story.run.state) if story.run.round else None,
            "retries": () if story.run.state == RunState.RUNNING else retries.retries_of(row),
            "may_retry": is_allowed(request, "add_run")
            and story.run.state != RunState.RUNNING
            and not story.run.is_dry,
            "is_behind": releases.is_behind(workflow=story.run.workflow_name, number=story.version.number),
            "may_set_result": is_allowed(request, "set_result"),
            "settable": _SETTABLE,
            "may_cancel": is_allowed(request, "change_run"),
            "may_resolve": is_allowed(request, "change_deadletter"),
            "item_state": wanted,
            "legend": sorted({step.state for step in story.steps}),
        }

    def live(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """This will give the part of a run's page that changes while it runs."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return TemplateResponse(request, "workflows/run_live.html", self.page_context(request, run_id))

    def cancel(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """This will have a run end as cancelled, for the reason that is given; by force at once."""
        require(request, "change_run")
        try:
            run = operations.cancel_run(
                run_id=run_id,
                actor=actor_of(request),
                now=timezone.now(),
                reason=_reason(request),
                is_forced=request.POST.get("force") == "on",
            )
        except UnknownRun as error:
            raise Http404(str(error)) from error
        except (RunBusy, RunEnded) as error:
            messages.warning(request, f"Nothing was cancelled: {error}.")
        else:
            done = run.state != RunState.RUNNING
            messages.success(request, "The run is cancelled." if done else "The run tidies up, and is cancelled then.")
        return HttpResponseRedirect(reverse("admin:workflows_run_change", args=(run_id,)))

    def undo(self, request: HttpRequest, run_id: UUID) -> HttpResponse:
        """This will undo what an ended run did, for the reason that is given."""
        require(request, "change_run")
        try:
            operations.undo_run(run_id=run_id, actor=actor_of(request), now=timezone.now(), reason=_reason(request))
        except UnknownRun as error:
            raise Http404(str(error)) from error
        except (NothingToUndo, RunBusy, RunNotEnded) as error:
            messages.warning(request, f"Nothing was undone: {error}.")
        else:
            messages.success(request, "What the run did is being undone.")
        return HttpResponseRedirect(reverse("admin:workflows_run_change", args=(run_id,)))

    @admin.action(description="Compare", permissions=["view"])
    def compare_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        """This will show two selected runs side by side."""
        return RunComparing(self).choose(request, queryset)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """This will tell who may retry runs."""
        return is_allowed(request, "add_run")

    @admin.action(description="Retry", permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        """This will retry selected runs, after one more question."""
        return Retrying(self).choose(request, queryset)

    @admin.display(description="Run")
    def run(self, row: Run) -> SafeString:
        """This will show the whole id."""
        return format_html('<code class="ae-nowrap">{}</code>', row.id)

    @admin.display(description="Workflow")
    def workflow(self, row: Run) -> str:
        """This will show what it is a run of."""
        return row.workflow_name

    @admin.display(description="By")
    def actor(self, row: Run) -> str:
        """This will show who started it, by name where there is one."""
        names: Mapping[str, str] = getattr(row, "names", {})
        return names.get(row.started_by, row.started_by)

    @admin.display(description="Correlation id")
    def correlation(self, row: Run) -> SafeString | str:
        """This will show what connects it with its cause, unless that is the run itself."""
        return "" if row.correlation_id == str(row.id) else cut(row.correlation_id)

    @admin.display(description="State")
    def status(self, row: Run) -> SafeString:
        """This will show the state as a badge, and beside it what has come of its newest retry."""
        shown = render_to_string("workflows/badge.html", {"state": row.state, "label": row.state})
        if row.is_dry:
            return format_html(
                "{} {}", shown, render_to_string("workflows/badge.html", {"state": "dry_run", "label": "dry run"})
            )
        retry: str = getattr(row, "retry", "")
        if not retry:
            return shown
        label = retry if retry == "retrying" else f"retry {retry}"
        return format_html("{} {}", shown, render_to_string("workflows/badge.html", {"state": retry, "label": label}))

    @admin.display(description="Started")
    def started(self, row: Run) -> SafeString:
        """This will show when the run was started, in UTC."""
        return format_html('<span class="ae-nowrap">{}</span>', f"{row.created_at:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="Took")
    def length(self, row: Run) -> SafeString:
        """This will show how long it took, or has been running."""
        took = span(((row.ended_at or timezone.now()) - row.created_at).total_seconds())
        return format_html('<span class="ae-nowrap">{}</span>', took)


def _event_of(run: Run) -> UUID | None:
    """The event whose trigger started a run: the key of such a start ends with it. It may not be kept any more."""
    if not run.started_by.startswith("trigger:"):
        return None
    event = uuid_of((run.start_key or "").rpartition(":")[2])
    return event if event is not None and event_queries.documents({event}) else None


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:500]
