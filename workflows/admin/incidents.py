"""Incidents in the admin: what goes wrong, how often, who looks after it; and poison messages. No row is edited."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit import queries as audit
from workflows import incident_queries, operations
from workflows.admin.filters import UnfinishedFilter, WorkflowFilter
from workflows.admin.pages import ReadingAdmin, actor_of, is_allowed, names_of, require
from workflows.admin.paging import CappedPaginator
from workflows.core.selection import Selection
from workflows.core.states import PoisonState
from workflows.errors import MessageResolved
from workflows.models import Incident, PoisonMessage
from workflows.templatetags.workflow_display import roughly

_LISTED = 20
_EVENTS = 50
_FASTEST = 10_000.0


@admin.register(Incident)
class IncidentAdmin(ReadingAdmin):
    """The list, of what is not over unless others are asked for, and the page of each."""

    page_template = "workflows/incident.html"
    paginator = CappedPaginator
    chips = (
        "state",
        (("", "unfinished"), ("open", "open"), ("resolving", "resolving"), ("resolved", "resolved"), ("all", "all")),
    )
    list_before_template = "workflows/list_chips.html"  # type: ignore[assignment]  # unfold types it None
    list_display = ("what", "status", "where", "times", "hours", "waiting", "seen", "looked_after")
    list_display_links = ("what",)
    list_filter = (UnfinishedFilter, WorkflowFilter)
    list_filter_sheet = False
    search_fields = ("fingerprint",)
    search_help_text = "The exact fingerprint of an incident"
    ordering = ("-last_seen_at", "fingerprint")
    sortable_by = ()
    list_per_page = 50

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """This will read one page of incidents, and the counts of all of them in a few more queries."""
        page: ChangeList = super().get_changelist_instance(request)
        now = timezone.now()
        rows = list(page.result_list)
        tallies, hours = incident_queries.tallies(rows), incident_queries.hours(rows, now=now)
        for row in rows:
            row.tally, row.hours_seen, row.now = tallies[row.fingerprint], hours[row.fingerprint], now
        page.result_list = rows
        return page

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002  Django's signature
        queryset: QuerySet[Incident],
        search_term: str,
    ) -> tuple[QuerySet[Incident], bool]:
        """This will find one by its whole fingerprint."""
        term = search_term.strip()
        return (queryset.filter(fingerprint=term) if term else queryset), False

    def get_urls(self) -> list[URLPattern]:
        """This will put the buttons beside the admin's pages."""
        wrap = self.admin_site.admin_view
        acts = {"resolve": self.resolve, "discard": self.discard, "assign": self.assign}
        own = [
            path(f"<str:found>/{name}/", wrap(require_POST(act)), name=f"workflows_incident_{name}")
            for name, act in acts.items()
        ]
        return own + super().get_urls()

    def page_context(self, request: HttpRequest, row: Incident) -> dict[str, object]:
        """This will give an incident with its counts, its latest failures and its history."""
        now = timezone.now()
        tally = incident_queries.tallies([row])[row.fingerprint]
        events = list(audit.events_for(row.fingerprint).order_by("-id")[:_EVENTS])
        return {
            "title": f"Incident {row.fingerprint}",
            "incident": row,
            "tally": tally,
            "bars": spark(incident_queries.hours([row], now=now)[row.fingerprint], height=64),
            "letters": incident_queries.letters_of(row.fingerprint)[:_LISTED],
            "poison": incident_queries.messages_of(row.fingerprint)[:_LISTED],
            "events": events,
            "names": names_of([event.actor for event in events]),
            "now": now,
            "may_act": is_allowed(request, "change_deadletter"),
            "may_repair": is_allowed(request, "change_deadletter") and tally.open > 0 and bool(row.workflow_name),
        }

    def resolve(self, request: HttpRequest, found: str) -> HttpResponse:
        """This will try the open failures of an incident again."""
        require(request, "change_deadletter")
        pace = request.POST.get("per_second", "").strip()
        per_second = _pace(pace)
        if pace and per_second is None:
            messages.error(request, f"Nothing was requeued: {pace!r} is no number from 0.001 to {_FASTEST:,.0f}.")
        else:
            outcome = operations.requeue_matching(
                Selection(incident=found), actor=actor_of(request), now=timezone.now(), per_second=per_second
            )
            _report(request, outcome, done="requeued")
        return _back(found)

    def discard(self, request: HttpRequest, found: str) -> HttpResponse:
        """This will give the open failures of an incident up."""
        require(request, "change_deadletter")
        reason = request.POST.get("reason", "").strip()[:500]
        if not reason:
            messages.error(request, "Nothing was discarded: say why, it is written into the audit trail.")
        else:
            outcome = operations.discard_matching(
                Selection(incident=found), actor=actor_of(request), now=timezone.now(), reason=reason
            )
            _report(request, outcome, done="discarded")
        return _back(found)

    def assign(self, request: HttpRequest, found: str) -> HttpResponse:
        """This will say who looks after an incident."""
        require(request, "change_deadletter")
        owner = request.POST.get("owner", "").strip()[:150]
        self.find_row(found)
        operations.assign_incident(found=found, owner=owner, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"Looked after by {owner or 'nobody'}.")
        return _back(found)

    @admin.display(description="Incident")
    def what(self, row: Incident) -> SafeString:
        """This will show what goes wrong, without its values."""
        return format_html(
            '<span class="ae-incident"><strong>{}</strong><span>{}</span></span>',
            row.title[:140],
            f"{row.kind} · {row.fingerprint}",
        )

    @admin.display(description="State")
    def status(self, row: Incident) -> SafeString:
        """This will show the state as a badge, and whether it had been over before."""
        badge = render_to_string("workflows/badge.html", {"state": row.state, "label": row.state})
        if not row.reopened:
            return badge
        return format_html('{} <span class="ae-quiet ae-nowrap">again ×{}</span>', badge, row.reopened)

    @admin.display(description="Where")
    def where(self, row: Incident) -> str:
        """This will show workflow and step, or the queue of a message."""
        return " · ".join(part for part in (row.workflow_name, row.step) if part)

    @admin.display(description="Times")
    def times(self, row: Any) -> str:  # Any: the row with what the list has read for it
        """This will show how often it has happened."""
        return f"{row.tally.total:,}"

    @admin.display(description="Last 24 hours")
    def hours(self, row: Any) -> SafeString:  # Any: the row with what the list has read for it
        """This will show how often it happened in each hour."""
        return render_to_string("workflows/spark.html", {"bars": spark(row.hours_seen, height=24), "height": 24})

    @admin.display(description="Open · on trial")
    def waiting(self, row: Any) -> str:  # Any: the row with what the list has read for it
        """This will show how many wait for a decision, and how many for the success of their work."""
        return f"{row.tally.open:,} · {row.tally.pending:,}"

    @admin.display(description="Seen")
    def seen(self, row: Any) -> SafeString:  # Any: the row with what the list has read for it
        """This will show how long ago it happened last and first."""
        return format_html(
            '<span class="ae-incident ae-nowrap"><span class="ae-now">{} ago</span><span>first {} ago</span></span>',
            roughly(row.last_seen_at, row.now),
            roughly(row.first_seen_at, row.now),
        )

    @admin.display(description="Owner")
    def looked_after(self, row: Incident) -> str:
        """This will show who looks after it."""
        return row.owner or "-"


@admin.register(PoisonMessage)
class PoisonMessageAdmin(ReadingAdmin):
    """Messages that no worker could take, newest first."""

    page_template = "workflows/poison_message.html"
    paginator = CappedPaginator
    list_display = ("number", "status", "queue", "reason", "size_bytes", "received_at", "note")
    list_display_links = ("number",)
    list_filter = ("state",)
    list_filter_sheet = False
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50

    def get_urls(self) -> list[URLPattern]:
        """This will put the button beside the admin's pages."""
        wrap = self.admin_site.admin_view(require_POST(self.discard))
        return [path("<int:message_id>/discard/", wrap, name="workflows_poisonmessage_discard"), *super().get_urls()]

    def page_context(self, request: HttpRequest, row: PoisonMessage) -> dict[str, object]:
        """This will give a message with all that is kept of it."""
        return {
            "title": f"Message {row.id}",
            "message": row,
            "names": names_of([row.changed_by]),
            "may_discard": row.state == PoisonState.OPEN and is_allowed(request, "change_deadletter"),
        }

    def discard(self, request: HttpRequest, message_id: int) -> HttpResponse:
        """This will mark a message as looked at, for the reason that is given."""
        require(request, "change_deadletter")
        reason = request.POST.get("reason", "").strip()[:500]
        self.find_row(str(message_id))
        if not reason:
            messages.error(request, "Nothing was discarded: say why, it is written into the audit trail.")
        else:
            try:
                operations.discard_message(
                    message_id=message_id, actor=actor_of(request), now=timezone.now(), reason=reason
                )
            except MessageResolved as error:
                messages.warning(request, f"Nothing was discarded: {error}.")
        return HttpResponseRedirect(reverse("admin:workflows_poisonmessage_change", args=(message_id,)))

    @admin.display(description="Message")
    def number(self, row: PoisonMessage) -> str:
        """This will show the number."""
        return f"#{row.id}"

    @admin.display(description="State")
    def status(self, row: PoisonMessage) -> SafeString:
        """This will show the state as a badge."""
        return render_to_string("workflows/badge.html", {"state": row.state, "label": row.state})


def spark(counts: Sequence[int], *, height: int) -> Sequence[dict[str, object]]:
    """This will lay counts out as bars of a width of 5, as high as the greatest allows; none is invisible."""
    most = max([*counts, 1])
    return [
        {"x": place * 5, "y": height - size, "height": size, "count": count}
        for place, count in enumerate(counts)
        for size in [max(round(height * count / most), 2 if count else 0)]
    ]


def _pace(text: str) -> float | None:
    try:
        pace = float(text)
    except ValueError:
        return None
    return pace if 0.001 <= pace <= _FASTEST else None


def _report(request: HttpRequest, outcome: operations.Outcome, *, done: str) -> None:
    skipped = "".join(f"; {count} {reason.replace('_', ' ')}" for reason, count in outcome.skipped.items())
    more = "; there are more: press again for the next ones" if outcome.has_more else ""
    tell = messages.success if outcome.done and not skipped else messages.warning
    tell(request, f"{outcome.done} of {outcome.matched} dead letters {done}{skipped}{more}.")


def _back(found: str) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:workflows_incident_change", args=(found,)))
