"""Workflows in the admin: what there is, its versions and its graph; definitions change by publishing alone."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit import queries as audit
from workflows import operations, overview, releases, timeline
from workflows.admin import graphs, pauses
from workflows.admin.comparing import VersionComparing
from workflows.admin.editor import Editor
from workflows.admin.pages import ReadingAdmin, actor_of, crumb_of, is_allowed, names_of, require
from workflows.admin.releasing import Releasing
from workflows.admin.starting import Starting
from workflows.core.pausing import PauseScope
from workflows.models import Run, Workflow, WorkflowVersion

_VERSIONS = 50
_RUNS = 10
_EVENTS = 20


@admin.register(Workflow)
class WorkflowAdmin(ReadingAdmin):
    """The list of workflows, a page for each, and the ways to publish, start and switch them."""

    page_template = "workflows/workflow.html"
    list_display = ("name", "enabled", "version", "runs_of_the_day", "latest_run", "summary")
    list_display_links = ("name",)
    list_filter = ("is_enabled",)
    list_filter_sheet = False
    search_fields = ("name", "description")
    ordering = ("name",)
    list_per_page = 25

    def get_queryset(self, request: HttpRequest) -> QuerySet[Workflow]:
        """This will read workflows with their recent runs."""
        rows: QuerySet[Workflow] = super().get_queryset(request).select_related("release__version", "release__canary")
        return overview.with_recent_runs(rows, now=timezone.now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        """This will allow who may publish: a new workflow begins in the editor."""
        return is_allowed(request, "add_workflowversion")

    def get_urls(self) -> list[URLPattern]:
        """This will put the engine's pages beside those of the admin."""
        editor, starting, wrap = Editor(self), Starting(self), self.admin_site.admin_view
        comparing = VersionComparing(self)
        own = [
            path("check/", wrap(require_POST(editor.check)), name="workflows_workflow_check"),
            path("<int:workflow_id>/edit/", wrap(editor.edit), name="workflows_workflow_edit"),
            path("<int:workflow_id>/release/", wrap(Releasing(self).page), name="workflows_workflow_release"),
            path("<int:workflow_id>/start/", wrap(starting.start), name="workflows_workflow_start"),
            path("<int:workflow_id>/switch/", wrap(require_POST(self.switch)), name="workflows_workflow_switch"),
            path("<int:workflow_id>/diff/", wrap(comparing.chosen), name="workflows_workflow_diff_chosen"),
            path(
                "<int:workflow_id>/versions/<int:number>/diff/<int:other>/",
                wrap(comparing.page),
                name="workflows_workflow_diff",
            ),
            path(
                "<int:workflow_id>/versions/<int:number>/",
                wrap(self.version_page),
                name="workflows_workflow_version",
            ),
        ]
        return own + super().get_urls()

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002  Django's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002  Any: Django's signature
    ) -> HttpResponse:
        """This will open the editor instead of a form over columns."""
        return Editor(self).edit(request)

    def page_context(self, request: HttpRequest, row: Workflow) -> dict[str, object]:
        """This will give a workflow with its versions, its latest runs and its graph."""
        versions = list(row.versions.defer("document", "source", "plan").order_by("-number")[:_VERSIONS])
        runs = Run.objects.filter(workflow_name=row.name).defer("input", "output").order_by("-id")[:_RUNS]
        events = audit.events_for(row.name).filter(subject_type="workflow").reverse()[:_EVENTS]
        actors = {version.published_by for version in versions} | {event.actor for event in events}
        counted = overview.with_recent_runs(Workflow.objects.filter(id=row.id), now=timezone.now()).get()
        states = overview.count_states(counted.recent_states)  # type: ignore[attr-defined]  # annotated
        cap = overview.RUNS_PER_WORKFLOW_CAP
        return {
            "title": f"Workflow {row.name}",
            "workflow": row,
            "versions": versions,
            "release": releases.find_current(row),
            "numbers": [version.number for version in versions],
            "runs": runs,
            "events": events,
            "names": names_of(actors | {run.started_by for run in runs}),
            "graph": "" if row.release is None else _graph(row.release.version_id),
            "states": states,
            "states_capped": cap if sum(number for _, number in states) >= cap else 0,
            **pauses.shown(
                PauseScope.WORKFLOW, name=row.name, back=reverse("admin:workflows_workflow_change", args=(row.id,))
            ),
            "may_pause": is_allowed(request, "change_workflow"),
            "may_publish": is_allowed(request, "add_workflowversion"),
            "may_start": is_allowed(request, "add_run"),
            "may_switch": is_allowed(request, "change_workflow"),
            "now": timezone.now(),
        }

    def version_page(self, request: HttpRequest, workflow_id: int, number: int) -> HttpResponse:
        """This will show one published version as it was written."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        version = get_object_or_404(
            WorkflowVersion.objects.select_related("workflow"), workflow_id=workflow_id, number=number
        )
        context = {
            "title": str(version),
            "version": version,
            "release": releases.find_current(version.workflow),
            "workflow": version.workflow,
            "lines": version.source.splitlines(),
            "graph": _graph(version.id),
            "names": names_of([version.published_by]),
            "may_publish": is_allowed(request, "add_workflowversion"),
        }
        return self.render(request, "workflows/version.html", context, crumbs=[crumb_of(version.workflow)])

    def switch(self, request: HttpRequest, workflow_id: int) -> HttpResponse:
        """This will allow or refuse new runs, as the button said."""
        require(request, "change_workflow")
        name = Workflow.objects.filter(id=workflow_id).values_list("name", flat=True).first()
        if name is None:
            raise Http404(f"there is no workflow {workflow_id}")
        is_enabled = request.POST.get("enabled") == "yes"
        operations.set_enabled(name=name, is_enabled=is_enabled, actor=actor_of(request), now=timezone.now())
        text = "is enabled: new runs may start" if is_enabled else "is disabled: new runs are refused"
        messages.success(request, f"{name} {text}. Runs under way go on.")
        return HttpResponseRedirect(reverse("admin:workflows_workflow_change", args=(workflow_id,)))

    @admin.display(description="Enabled", ordering="is_enabled")
    def enabled(self, row: Workflow) -> SafeString:
        """This will show whether new runs are allowed."""
        state, label = ("succeeded", "enabled") if row.is_enabled else ("skipped", "disabled")
        return render_to_string("workflows/badge.html", {"state": state, "label": label})

    @admin.display(description="Version", ordering="release__version__number")
    def version(self, row: Workflow) -> str:
        """This will show the version that starts get, and a canary's share."""
        if row.release is None:
            return "none"
        if row.release.canary is None:
            return f"v{row.release.version.number}"
        share = f"{row.release.canary_percent:g}"
        return f"v{row.release.version.number}, canary v{row.release.canary.number} {share} %"

    @admin.display(description="Runs of the last 24 h")
    def runs_of_the_day(self, row: Workflow) -> SafeString | str:
        """This will count the latest runs by state."""
        recent: Sequence[str] = row.recent_states  # type: ignore[attr-defined]  # annotated by get_queryset
        states = [state for state in recent if state]
        context = {
            "counts": overview.count_states(states),
            "workflow": row,
            "is_capped": len(states) >= overview.RUNS_PER_WORKFLOW_CAP,
            "cap": overview.RUNS_PER_WORKFLOW_CAP,
        }
        return render_to_string("workflows/counts.html", context) if states else "none"

    @admin.display(description="Latest run")
    def latest_run(self, row: Workflow) -> SafeString | str:
        """This will link the latest run, with its state and age."""
        found: Sequence[dict[str, str]] = row.latest_run  # type: ignore[attr-defined]  # annotated by get_queryset
        if not found:
            return "never"
        context = {"run": found[0], "created_at": _instant(found[0]["created_at"]), "now": timezone.now()}
        return render_to_string("workflows/latest_run.html", context)

    @admin.display(description="Description")
    def summary(self, row: Workflow) -> str:
        """This will show the beginning of the description."""
        return row.description if len(row.description) <= 90 else f"{row.description[:89]}…"


def _graph(version_id: int) -> SafeString:
    return graphs.plan_graph(timeline.published(version_id).plan)


def _instant(text: str) -> datetime | None:
    moment = parse_datetime(text)
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
