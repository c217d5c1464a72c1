"""The form that starts a run with an input; sending it twice starts one run."""

import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone

from workflows import operations, timeline
from workflows.admin.pages import ReadingAdmin, actor_of, crumb_of, require, uuid_of
from workflows.admin.skeleton import skeleton
from workflows.core.problems import Problem
from workflows.errors import InputInvalid, StartKeyReused, WorkflowDisabled, WorkflowError
from workflows.models import Workflow
from workflows.operations import DRY_RUN, Dry, Start, Started, read_start_at

_PRIORITIES = range(-100, 101)
_NAMES = ("input", "correlation_id", "priority", "start_at", "key", "mode", "pins", "pins_from")


class _FormInvalid(Exception):
    """The form cannot be used; each problem names the field or the place in the input."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class Starting:
    """The start form, inside the workflows' admin."""

    def __init__(self, site: ReadingAdmin) -> None:
        self._site = site

    def start(self, request: HttpRequest, workflow_id: int) -> HttpResponse:
        """This will show the form, or start the run it describes."""
        require(request, "add_run")
        workflow = get_object_or_404(Workflow, id=workflow_id)
        if request.method != "POST":
            return self._page(request, workflow, form=_first_form(workflow), problems=())
        form = {name: request.POST.get(name, "") for name in _NAMES}
        try:
            started = _start(request, workflow, form=form)
        except _FormInvalid as error:
            return self._page(request, workflow, form=form, problems=error.problems, status=422)
        except StartKeyReused:
            wrong = Problem("$", "this form has started another run already", "send it again to start one more")
            form["key"] = str(uuid4())
            return self._page(request, workflow, form=form, problems=(wrong,), status=409)
        except WorkflowError as error:
            return self._page(request, workflow, form=form, problems=(_told(error),), status=409)
        text = "Run started." if started.is_new else "This form had started the run already: here it is."
        if started.joined:
            text = f"The run below stands for this start, by its {started.joined}."
        messages.success(request, text)
        return HttpResponseRedirect(reverse("admin:workflows_run_change", args=(started.run_id,)))

    def _page(
        self,
        request: HttpRequest,
        workflow: Workflow,
        *,
        form: dict[str, str],
        problems: tuple[Problem, ...],
        status: int = 200,
    ) -> HttpResponse:
        schema = _schema(workflow)
        context: dict[str, Any] = {  # Any: a template's context
            "title": f"Start {workflow.name}",
            "workflow": workflow,
            "form": form,
            "problems": problems,
            "schema": None if schema is None else json.dumps(schema, indent=2, ensure_ascii=False),
            "rows": min(max(form["input"].count("\n") + 3, 12), 40),
        }
        return self._site.render(request, "workflows/start.html", context, crumbs=[crumb_of(workflow)], status=status)


def _first_form(workflow: Workflow) -> dict[str, str]:
    schema = _schema(workflow)
    suggested = {} if schema is None else skeleton(schema)
    return {
        "input": json.dumps(suggested, indent=2, ensure_ascii=False),
        "correlation_id": "",
        "priority": "0",
        "start_at": "",
        "key": str(uuid4()),
        "mode": "",
        "pins": "",
        "pins_from": "",
    }


def _schema(workflow: Workflow) -> Any:  # Any: JSON Schema, from the definition
    if workflow.release is None:
        return None
    return timeline.published(workflow.release.version_id).plan.definition.input_schema


def _start(request: HttpRequest, workflow: Workflow, *, form: dict[str, str]) -> Started:
    """Read the form and start the run. Raises _FormInvalid and WorkflowError."""
    actor, now = actor_of(request), timezone.now()
    start = Start(
        input=_input(form["input"]),
        key=f"admin:{actor}:{form['key']}"[:300] if form["key"] else None,
        correlation_id=form["correlation_id"].strip()[:200],
        priority=_priority(form["priority"]),
        start_at=_start_at(form["start_at"], now=now),
        dry=_dry(form),
    )
    try:
        return operations.start_run(workflow=workflow.name, start=start, actor=actor, now=now)
    except InputInvalid as error:
        raise _FormInvalid(*error.problems) from error


def _dry(form: dict[str, str]) -> Dry | None:
    if form["mode"] != DRY_RUN:
        if form["pins"].strip() or form["pins_from"].strip():
            raise _FormInvalid(Problem("pins", "only a dry run has pins", "tick the box, or leave them empty"))
        return None
    of = uuid_of(form["pins_from"]) if form["pins_from"].strip() else None
    if of is None and form["pins_from"].strip():
        raise _FormInvalid(Problem("pins_from", f"{form['pins_from']!r} is no id of a run", "copy it from its page"))
    return Dry(pins=_input(form["pins"], path="$.pins") or {}, of=of)


def _input(text: str, *, path: str = "$") -> Any:  # Any: JSON
    try:
        return orjson.loads(text) if text.strip() else None
    except orjson.JSONDecodeError as error:
        problem = Problem(
            path,
            f"this is no JSON: {error.msg}",
            "write one JSON value, usually an object in braces",
            error.lineno,
            error.colno,
        )
        raise _FormInvalid(problem) from error


def _priority(text: str) -> int:
    try:
        priority = int(text or "0")
    except ValueError:
        priority = _PRIORITIES.stop
    if priority not in _PRIORITIES:
        raise _FormInvalid(Problem("priority", f"{text!r} is no priority", "write a whole number from -100 to 100"))
    return priority


def _start_at(text: str, *, now: datetime) -> datetime | None:
    try:
        return read_start_at(delay_s=None, start_at=text.strip(), now=now)
    except ValueError as error:
        raise _FormInvalid(Problem("start_at", str(error))) from error


def _told(error: WorkflowError) -> Problem:
    hint = "enable it on its page" if isinstance(error, WorkflowDisabled) else ""
    return Problem("$", str(error), hint)
