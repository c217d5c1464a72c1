"""The form on the page of a run with which the result of a step is set by hand."""

from uuid import UUID

import orjson
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from workflows import operations
from workflows.admin.pages import actor_of, require
from workflows.errors import UnknownRun, WorkflowError

_REASON_CHARS = 1_000


def set_result(request: HttpRequest, run_id: UUID, step: str) -> HttpResponse:
    """This will have a step succeed with the output that was written, for the reason that is given."""
    require(request, "set_result")
    try:
        wanted = operations.SetResult(
            step=step,
            output=orjson.loads(request.POST.get("output", "")),
            reason=request.POST.get("reason", "").strip()[:_REASON_CHARS],
        )
        operations.set_result(run_id=run_id, wanted=wanted, actor=actor_of(request), now=timezone.now())
    except orjson.JSONDecodeError as error:
        messages.error(request, f"Nothing was set: the output is not JSON: {error}.")
    except UnknownRun as error:
        raise Http404(str(error)) from error
    except WorkflowError as error:
        messages.error(request, f"Nothing was set: {error}.")
    else:
        messages.success(request, f"The run goes on from {step} with the result you gave.")
    return HttpResponseRedirect(reverse("admin:workflows_run_change", args=(run_id,)))
