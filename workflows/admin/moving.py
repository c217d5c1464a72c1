"""The form on the page of a run with which it is moved to the version in use, or told why it cannot be."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from workflows import operations
from workflows.admin.pages import actor_of, require
from workflows.errors import MoveRefused, UnknownRun, WorkflowError


def move(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """This will have a run go on with the version in use; with `dry_run` it only says what is in the way."""
    require(request, "change_run")
    is_dry = request.POST.get("act") != "move"
    try:
        moved = operations.move_run(
            run_id=run_id, version=None, actor=actor_of(request), now=timezone.now(), dry_run=is_dry
        )
    except UnknownRun as error:
        raise Http404(str(error)) from error
    except MoveRefused as error:
        _tell_hindrances(request, error.problems)
    except WorkflowError as error:
        messages.error(request, f"The run was not moved: {error}.")
    else:
        _tell_hindrances(request, moved.hindrances)
        if not moved.hindrances:
            verb = "can go" if is_dry else "goes"
            messages.success(request, f"The run {verb} on with version {moved.after}.")
    return HttpResponseRedirect(reverse("admin:workflows_run_change", args=(run_id,)))


def _tell_hindrances(request: HttpRequest, problems: object) -> None:
    for problem in problems if isinstance(problems, tuple) else ():
        messages.warning(request, f"It cannot be moved: {problem}.")
