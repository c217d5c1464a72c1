"""The editor of definitions: checks while one writes, draws the graph, publishes; it stores no drafts."""

from dataclasses import asdict, dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from workflows import operations
from workflows.admin import graphs
from workflows.admin.pages import ReadingAdmin, actor_of, crumb_of, require
from workflows.admin.releasing import read_canary
from workflows.core.plan import compile_plan
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.models import Workflow
from workflows.release_errors import CanaryInvalid

TEMPLATE = """\
name: my-workflow
description: What this workflow is for, in one sentence.
input:
  type: object
  required: [amount]
  properties:
    amount: {type: number, minimum: 0}
steps:
  check:
    uses: set
    with:
      is_large: "${{ input.amount > 1000.0 }}"
  done:
    needs: check
    uses: set
    with:
      text: "${{ steps.check.output.is_large ? 'large' : 'small' }}"
output:
  text: "${{ steps.done.output.text }}"
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem as the page shows it, with the line it is about."""

    problem: Problem
    excerpt: str


class Editor:
    """The pages of the editor, inside the workflows' admin."""

    def __init__(self, site: ReadingAdmin) -> None:
        self._site = site

    def edit(self, request: HttpRequest, workflow_id: int | None = None) -> HttpResponse:
        """This will show the editor, or publish what was written in it."""
        require(request, "add_workflowversion")
        workflow = None if workflow_id is None else get_object_or_404(Workflow, id=workflow_id)
        if request.method != "POST":
            return self._page(request, workflow, source=_source(request, workflow), problems=())
        source = request.POST.get("source", "").replace("\r\n", "\n")
        try:
            canary = read_canary(request.POST) if request.POST.get("percent", "").strip() else None
            version, is_new = operations.publish(
                source=source, actor=actor_of(request), now=timezone.now(), canary=canary
            )
        except DefinitionInvalid as error:
            return self._page(request, workflow, source=source, problems=error.problems, status=422)
        except CanaryInvalid as error:
            problem = Problem(error.field, error.problem)
            return self._page(request, workflow, source=source, problems=(problem,), status=422)
        if is_new:
            share = "New runs" if canary is None else f"{canary.percent:g} % of new runs"
            messages.success(request, f"Published {version}. {share} start on it.")
        else:
            messages.info(request, f"Nothing to publish: {version} has the same content.")
        return HttpResponseRedirect(reverse("admin:workflows_workflow_change", args=(version.workflow_id,)))

    def check(self, request: HttpRequest) -> HttpResponse:
        """This will judge a text and draw its graph, as JSON: {problems, graph, name, steps}."""
        require(request, "add_workflowversion")
        source = request.POST.get("source", "").replace("\r\n", "\n")
        try:
            definition = operations.check(source).definition
        except DefinitionInvalid as error:
            return JsonResponse({"problems": [asdict(problem) for problem in error.problems], "graph": ""})
        return JsonResponse(
            {
                "problems": [],
                "graph": graphs.plan_graph(compile_plan(definition)),
                "name": definition.name,
                "steps": len(definition.steps),
            }
        )

    def _page(
        self,
        request: HttpRequest,
        workflow: Workflow | None,
        *,
        source: str,
        problems: tuple[Problem, ...],
        status: int = 200,
    ) -> HttpResponse:
        lines = source.splitlines()
        crumbs = [] if workflow is None else [crumb_of(workflow)]
        context: dict[str, Any] = {  # Any: a template's context
            "title": "New workflow" if workflow is None else f"New version of {workflow.name}",
            "workflow": workflow,
            "form": request.POST,
            "source": source,
            "findings": [Finding(problem, _excerpt(problem, lines=lines)) for problem in problems],
            "rows": min(max(len(lines) + 2, 22), 34),
        }
        return self._site.render(request, "workflows/editor.html", context, crumbs=crumbs, status=status)


def _source(request: HttpRequest, workflow: Workflow | None) -> str:
    """Begin with a version that is asked for, the newest one, or an example."""
    if workflow is None:
        return TEMPLATE
    number = request.GET.get("from", "")
    wanted = int(number) if number.isdecimal() else workflow.latest_number
    version = workflow.versions.filter(number=wanted).first()
    return TEMPLATE if version is None else version.source


def _excerpt(problem: Problem, *, lines: list[str]) -> str:
    if problem.line is None or not 1 <= problem.line <= len(lines):
        return ""
    return lines[problem.line - 1].strip()[:120]
