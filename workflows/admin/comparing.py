"""Two runs, or two versions, side by side in the admin; it reads only."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse

from workflows import comparing, version_changes
from workflows.admin.pages import ReadingAdmin, crumb_of, uuid_of
from workflows.errors import UnknownRun, UnknownVersion
from workflows.models import Run, Workflow

_TONES = {"+": "is-added", "-": "is-removed", "@": "is-place"}


class RunComparing:
    """The page of two runs, and the action that leads to it."""

    def __init__(self, pages: ReadingAdmin) -> None:
        self._pages = pages

    def page(self, request: HttpRequest) -> HttpResponse:
        """This will show two runs side by side, as `left` and `right` of the address say."""
        if not self._pages.has_view_permission(request):
            raise PermissionDenied
        left, right = uuid_of(request.GET.get("left", "")), uuid_of(request.GET.get("right", ""))
        if left is None or right is None:
            messages.error(request, "Give the ids of two runs.")
            back = reverse("admin:workflows_run_changelist")
            return HttpResponseRedirect(back if left is None else reverse("admin:workflows_run_change", args=(left,)))
        try:
            found = comparing.compare(left=left, right=right)
        except UnknownRun as error:
            raise Http404(str(error)) from error
        context = {
            "title": "Two runs",
            "found": found,
            "parts": [
                (name, part)
                for name, part in (("Input", found.input), ("Output", found.output), ("Error", found.error))
                if part
            ],
            "swap": f"?left={right}&right={left}",
        }
        return self._pages.render(request, "workflows/compare.html", context)

    def choose(self, request: HttpRequest, queryset: QuerySet[Run]) -> HttpResponse | None:
        """This will open the page for two selected runs, the older one on the left."""
        ids = list(queryset.order_by("id").values_list("id", flat=True)[:3])
        if len(ids) != 2:
            messages.error(request, "Select two runs to compare them.")
            return None
        address = reverse("admin:workflows_run_compare")
        return HttpResponseRedirect(f"{address}?left={ids[0]}&right={ids[1]}")


class VersionComparing:
    """The page of two versions."""

    def __init__(self, pages: ReadingAdmin) -> None:
        self._pages = pages

    def page(self, request: HttpRequest, workflow_id: int, number: int, other: int) -> HttpResponse:
        """This will show what has changed from one version to another."""
        if not self._pages.has_view_permission(request):
            raise PermissionDenied
        workflow = get_object_or_404(Workflow, id=workflow_id)
        try:
            found = version_changes.between(workflow=workflow, before=number, after=other)
        except UnknownVersion as error:
            raise Http404(str(error)) from error
        context = {
            "title": f"{workflow.name} v{number} to v{other}",
            "workflow": workflow,
            "found": found,
            "changes": found.changes,
            "lines": [(_TONES.get(line[:1], ""), line) for line in found.unified],
            "numbers": range(workflow.latest_number, 0, -1),
        }
        return self._pages.render(request, "workflows/diff.html", context, crumbs=[crumb_of(workflow)])

    def chosen(self, request: HttpRequest, workflow_id: int) -> HttpResponse:
        """This will lead from the form with two numbers to their page."""
        numbers = [request.GET.get(name, "") for name in ("before", "after")]
        if not all(number.isdecimal() and len(number) < 9 for number in numbers):
            raise Http404("two numbers of versions are needed")
        before, after = (int(number) for number in numbers)
        return HttpResponseRedirect(reverse("admin:workflows_workflow_diff", args=(workflow_id, before, after)))
