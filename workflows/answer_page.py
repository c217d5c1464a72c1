"""The page behind a one-time link: it shows what is asked, and takes one answer without a login.

Looking decides nothing, for mail scanners look at every link; only a POST does. The token in the address is all that
speaks for the visitor: no cookie is read, so a form of another site can send nothing that its sender could not send.
"""

from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from integrations.notifications import addresses
from workflows import answer_form, human_queries, human_rights, operations
from workflows.answer_form import AnswerForm
from workflows.core.links import LinkStanding
from workflows.core.voting import Choice, RequestKind
from workflows.errors import WorkflowError
from workflows.human_errors import AnswerInvalid
from workflows.models import HumanLink
from workflows.operations import links

_STATUS: Mapping[LinkStanding, HTTPStatus] = {
    LinkStanding.USABLE: HTTPStatus.OK,
    LinkStanding.TAKEN: HTTPStatus.OK,
    LinkStanding.ANSWERED: HTTPStatus.OK,
    LinkStanding.CLOSED: HTTPStatus.GONE,
    LinkStanding.OVER: HTTPStatus.GONE,
    LinkStanding.GONE: HTTPStatus.GONE,
}
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
}
_SHOWN = 0


@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_variables("token")
def answer_page(request: HttpRequest, token: str) -> HttpResponse:
    """This will show what a link is for, or take the answer that its page sends."""
    link = _find(token)
    if link is None:
        return _rendered({"standing": "unknown"}, status=HTTPStatus.NOT_FOUND)
    return _take(request, link=link) if request.method == "POST" else _show(link, now=timezone.now())


def _find(token: str) -> HumanLink | None:
    name = addresses.find_name(token)
    try:
        return None if name is None else human_queries.find_link(UUID(name))
    except ValueError:  # signed here, for something else
        return None


def _take(request: HttpRequest, *, link: HumanLink) -> HttpResponse:
    values = {key: str(value) for key, value in request.POST.items()}
    now, row = timezone.now(), link.request
    try:
        choice = answer_form.chosen(RequestKind(row.kind), values=values)
        given = operations.Answer(
            choice=choice,
            comment=values.get("comment", ""),
            form=None if choice is Choice.REJECT else answer_form.read(row.form, values=values),
            via=links.VIA,
        )
        operations.answer_by_link(link_id=link.id, given=given, now=now)
    except AnswerInvalid as error:
        form = answer_form.typed(row.form, values=values, error=error)
        return _show(link, now=now, form=form, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    except WorkflowError:  # the page says what is so instead: who has decided, or whose say it is now
        return _show(link, now=now, status=HTTPStatus.CONFLICT)
    return _sealed(HttpResponseRedirect(request.path, status=HTTPStatus.SEE_OTHER))


def _show(
    link: HumanLink, *, now: datetime, form: AnswerForm | None = None, status: HTTPStatus | None = None
) -> HttpResponse:
    row = human_queries.get_request(link.request_id)
    standing = human_queries.standing_of(link, row=row, now=now)
    columns, table = answer_form.table_of(row.show)
    context = {
        "standing": standing.value,
        "row": row,
        "name": link.name,
        "form": form or answer_form.empty(row.form),
        "answers": human_queries.answers_of(row),
        "own": human_queries.find_answer(row, person=link.person),
        "taker": human_rights.find_taker(row, giver=link.person),
        "asked": human_queries.asked(row, limit=_SHOWN),
        "layout": answer_form.shown_as(row.show),
        "columns": columns,
        "table": table,
    }
    return _rendered(context, status=status or _STATUS[standing])


def _rendered(context: Mapping[str, object], *, status: HTTPStatus) -> HttpResponse:
    """Without the request, so that neither session nor messages are touched."""
    return _sealed(HttpResponse(render_to_string("workflows/answer.html", dict(context)), status=status))


def _sealed(response: HttpResponse) -> HttpResponse:
    for name, value in _HEADERS.items():
        response[name] = value
    return response
