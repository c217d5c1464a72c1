"""Dead letters in the admin: what is out of attempts and why, and the two ways on: requeue or discard."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit.redaction import redacted
from workflows import operations, timeline
from workflows.admin.filters import KindFilter, OpenFirstFilter, WorkflowFilter
from workflows.admin.pages import ReadingAdmin, actor_of, is_allowed, names_of, require, uuid_of
from workflows.admin.paging import CappedPaginator
from workflows.core.states import DeadLetterState
from workflows.errors import (
    DeadLetterResolved,
    NotRequeueable,
    RunBusy,
    RunEnded,
    RunUndone,
    StillEnding,
    UnknownDeadLetter,
    WorkflowError,
)
from workflows.models import DeadLetter

_ATTEMPTS = 100
_AT_ONCE = 1_000
_LISTED = 20


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadingAdmin):
    """The list, of the open ones unless others are asked for, and the page of each."""

    page_template = "workflows/dead_letter.html"
    paginator = CappedPaginator
    chips = ("state", (("", "open"), ("requeued", "requeued"), ("discarded", "discarded"), ("all", "all")))
    list_before_template = "workflows/list_chips.html"  # type: ignore[assignment]  # unfold types it None
    list_display = ("letter", "status", "workflow", "place", "cause", "attempts", "created")
    list_display_links = ("letter",)
    list_filter = (OpenFirstFilter, KindFilter, WorkflowFilter)
    list_filter_sheet = False
    search_fields = ("run_id",)
    search_help_text = "The exact id of a run"
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    actions = ("requeue_selected", "discard_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """This will read dead letters without their payloads."""
        rows: QuerySet[DeadLetter] = super().get_queryset(request)
        return rows.defer("payload")

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002  Django's signature
        queryset: QuerySet[DeadLetter],
        search_term: str,
    ) -> tuple[QuerySet[DeadLetter], bool]:
        """This will find the dead letters of one run."""
        if not search_term.strip():
            return queryset, False
        run_id = uuid_of(search_term)
        return (queryset.none() if run_id is None else queryset.filter(run_id=run_id)), False

    def get_urls(self) -> list[URLPattern]:
        """This will put the two buttons beside the admin's pages."""
        wrap = self.admin_site.admin_view
        own = [
            path(
                "<int:letter_id>/requeue/",
                wrap(require_POST(self.requeue)),
                name="workflows_deadletter_requeue",
            ),
            path(
                "<int:letter_id>/discard/",
                wrap(require_POST(self.discard)),
                name="workflows_deadletter_discard",
            ),
        ]
        return own + super().get_urls()

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        """This will tell who may use the actions."""
        return is_allowed(request, "change_deadletter")

    def page_context(self, request: HttpRequest, row: DeadLetter) -> dict[str, object]:
        """This will give a dead letter with its cause, payload and attempts."""
        return {
            "title": f"Dead letter {row.id}",
            "letter": row,
            "attempts": timeline.attempts_of(row)[:_ATTEMPTS],
            "names": names_of([row.resolved_by]),
            "is_open": row.state == DeadLetterState.OPEN,
            "may_resolve": is_allowed(request, "change_deadletter"),
            "may_edit": is_allowed(request, "change_deadletter") and is_allowed(request, "add_run"),
            "payload": redacted(row.payload),
        }

    def requeue(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        """This will requeue one dead letter, with other inputs if they are given."""
        require(request, "change_deadletter")
        text = request.POST.get("payload")
        if text is None:
            _requeue_all(request, [letter_id])
        else:
            require(request, "add_run")
            _requeue_edited(request, letter_id, text=text)
        return HttpResponseRedirect(reverse("admin:workflows_deadletter_change", args=(letter_id,)))

    def discard(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        """This will discard one dead letter for the reason that is given."""
        require(request, "change_deadletter")
        _discard_all(request, [letter_id], reason=_reason(request))
        return HttpResponseRedirect(reverse("admin:workflows_deadletter_change", args=(letter_id,)))

    @admin.action(description="Requeue", permissions=["resolve"])
    def requeue_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        """This will requeue the selected dead letters, each for itself, after one more question."""
        return self._confirm(request, queryset, verb="requeue", act=_requeue_all)

    @admin.action(description="Discard", permissions=["resolve"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[DeadLetter]) -> HttpResponse | None:
        """This will discard the selected dead letters, each for itself, after asking for the reason."""
        reason = _reason(request)
        return self._confirm(
            request, queryset, verb="discard", act=lambda request, ids: _discard_all(request, ids, reason=reason)
        )

    def _confirm(
        self,
        request: HttpRequest,
        queryset: QuerySet[DeadLetter],
        *,
        verb: str,
        act: Callable[[HttpRequest, Iterable[int]], None],
    ) -> HttpResponse | None:
        ids = list(queryset.order_by("id").values_list("id", flat=True)[:_AT_ONCE])
        if request.POST.get("confirmed") == "yes":
            act(request, ids)
            return None
        context: dict[str, Any] = {  # Any: a template's context
            "title": f"{verb.capitalize()} {len(ids):,} dead letter{'' if len(ids) == 1 else 's'}",
            "verb": verb,
            "ids": ids,
            "at_most": _AT_ONCE,
            "listed": queryset.filter(id__in=ids[:_LISTED]).order_by("id"),
            "unlisted": max(0, len(ids) - _LISTED),
        }
        return self.render(request, "workflows/confirm.html", context)

    @admin.display(description="Dead letter")
    def letter(self, row: DeadLetter) -> str:
        """This will show the number."""
        return f"#{row.id}"

    @admin.display(description="State")
    def status(self, row: DeadLetter) -> SafeString:
        """This will show the state as a badge."""
        return render_to_string("workflows/badge.html", {"state": row.state, "label": row.state})

    @admin.display(description="Workflow")
    def workflow(self, row: DeadLetter) -> str:
        """This will show what its run is a run of."""
        return row.workflow_name

    @admin.display(description="Step")
    def place(self, row: DeadLetter) -> str:
        """This will show the step, and the item of a `for_each`."""
        return row.place or "(the run)"

    @admin.display(description="Created")
    def created(self, row: DeadLetter) -> SafeString:
        """This will show when it was given up, in UTC."""
        return format_html('<span class="ae-nowrap">{}</span>', f"{row.created_at:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="Cause")
    def cause(self, row: DeadLetter) -> str:
        """This will show the kind of the failure and the beginning of its message."""
        return f"{row.kind}: {row.message[:120]}"


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()[:500]


def _requeue_edited(request: HttpRequest, letter_id: int, *, text: str) -> None:
    try:
        payload = orjson.loads(text) or {}  # nothing at all is no mapping either, and is refused as one
        operations.requeue_dead_letter(
            dead_letter_id=letter_id, actor=actor_of(request), now=timezone.now(), payload=payload
        )
    except orjson.JSONDecodeError as error:
        messages.error(request, f"Nothing was requeued: the inputs are not JSON: {error}.")
    except WorkflowError as error:
        messages.error(request, f"Nothing was requeued: {error}.")
    else:
        messages.success(request, "1 dead letter requeued with other inputs.")


def _requeue_all(request: HttpRequest, ids: Iterable[int]) -> None:
    def requeue(letter_id: int) -> None:
        operations.requeue_dead_letter(dead_letter_id=letter_id, actor=actor_of(request), now=timezone.now())

    _report(request, _each(ids, act=requeue), done="requeued")


def _discard_all(request: HttpRequest, ids: Iterable[int], *, reason: str) -> None:
    if not reason:
        messages.error(request, "Nothing was discarded: say why, it is written into the audit trail.")
        return

    def discard(letter_id: int) -> None:
        operations.discard_dead_letter(
            dead_letter_id=letter_id, actor=actor_of(request), now=timezone.now(), reason=reason
        )

    _report(request, _each(ids, act=discard), done="discarded")


def _each(ids: Iterable[int], *, act: Callable[[int], None]) -> Counter[str]:
    """Act on each for itself, so that one that was resolved meanwhile does not stop the others; count the ends."""
    ends: Counter[str] = Counter()
    for letter_id in ids:
        try:
            act(letter_id)
        except DeadLetterResolved:
            ends["resolved before"] += 1
        except RunEnded:
            ends["left open, because their run was cancelled"] += 1
        except NotRequeueable:
            ends["left open, because it would be the same again"] += 1
        except RunUndone:
            ends["left open, because their run has been undone"] += 1
        except StillEnding:
            ends["left open, because their run is just ending"] += 1
        except UnknownDeadLetter:
            ends["not found"] += 1
        except RunBusy:
            ends["left open, because somebody is changing their run at this moment"] += 1
        else:
            ends["done"] += 1
    return ends


def _report(request: HttpRequest, ends: Counter[str], *, done: str) -> None:
    number = ends.pop("done", 0)
    others = "".join(f"; {count} {end}" for end, count in ends.items())
    tell = messages.success if number and not others else messages.warning
    tell(request, f"{number} dead letter{'' if number == 1 else 's'} {done}{others}.")
