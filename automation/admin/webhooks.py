"""Webhooks in the admin: sources with their form, every request as it came, replays, counts, and what events start."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from audit.admin_pages import ActingAdmin, ListingAdmin, PageAction, cut, link_to, link_to_list
from automation.errors import SourceInUse
from automation.inbound import queries, replaying, sources
from automation.inbound.sources import SourceWanted
from automation.models import EventTrigger, WebhookDelivery, WebhookRefusal, WebhookSource
from automation.verification.presets import PRESETS
from integrations import admin_forms
from workflows.admin.pages import actor_of
from workflows.templatetags.workflow_display import badge, span, words

_SAID = ("name", "preset", "secrets", "options", "rate_per_s", "burst", "max_bytes", "is_enabled")
_STATES = {
    "verified": "info",
    "matched": "success",
    "unmatched": "default",
    "duplicate": "default",
    "refused": "danger",
}


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A source as a person writes it."""

    preset = forms.ChoiceField(
        choices=[(name, preset.title) for name, preset in PRESETS.items()],
        widget=UnfoldAdminSelectWidget,
        help_text="How a request proves who sent it.",
    )
    secrets = forms.CharField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "placeholder": "env:SHOP_WEBHOOK_SECRET"}),
        help_text="Where its secrets are, a line each, the newest first. Never write a secret itself.",
    )

    class Meta:
        model = WebhookSource
        fields = _SAID

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: Django's
        super().__init__(*args, **options)
        if self.instance.pk:
            self.initial["secrets"] = "\n".join(self.instance.secrets)

    def clean_secrets(self) -> list[str]:
        """This will give the references, a line each."""
        return admin_forms.lines_of(self.cleaned_data["secrets"])

    def clean(self) -> dict[str, Any]:  # Any: Django's
        """This will say everything that is wrong with the source, each at its field."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        given = {name: cleaned.get(name, getattr(self.instance, name)) for name in _SAID}
        self.wanted = SourceWanted(**{**given, "secrets": tuple(given["secrets"]), "options": given["options"] or {}})
        admin_forms.tell(self, ((one.path, one.advice) for one in sources.problems_of(self.wanted)))
        return cleaned


@admin.register(WebhookSource)
class WebhookSourceAdmin(ListingAdmin):
    """The sources, and a form for each; every change is an operation."""

    form = SourceForm
    fields = _SAID
    list_display = ("name", "address", "preset_title", "secret_places", "rate", "refused_today", "is_enabled")
    empty_text = "Nobody may send webhooks yet."
    list_filter = ("preset", "is_enabled")
    list_filter_sheet = False
    search_fields = ("name",)
    ordering = ("name",)

    @display(description="Address")
    def address(self, row: WebhookSource) -> str:
        """This will show where it sends to."""
        return f"/hooks/{row.name}"

    @display(description="Preset")
    def preset_title(self, row: WebhookSource) -> str:
        """This will name the preset."""
        return PRESETS[row.preset].title if row.preset in PRESETS else row.preset

    @display(description="Secrets")
    def secret_places(self, row: WebhookSource) -> str:
        """This will show where its secrets are."""
        return ", ".join(row.secrets) or "none"

    @display(description="Rate")
    def rate(self, row: WebhookSource) -> str:
        """This will show how much it may send."""
        return f"{row.rate_per_s:g}/s" if row.rate_per_s else "no limit"

    def get_changelist_instance(self, request: HttpRequest) -> Any:  # Any: unfold's types are its own
        """This will read one page, and count once what was not taken from its sources."""
        page = super().get_changelist_instance(request)
        refused = queries.refused(now=timezone.now())
        for row in page.result_list:
            row.refused = refused.get(row.name, 0)
        return page

    @display(description="Refused in 24 h")
    def refused_today(self, row: WebhookSource) -> SafeString | int:
        """This will show how much was not taken, and lead to why."""
        count: int = getattr(row, "refused", 0)
        return link_to_list("automation_webhookrefusal", count, q=row.name) if count else 0

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookSource | None = None) -> tuple[str, ...]:  # noqa: ARG002  Django's signature
        """This will keep the name of an existing source: its address is known by it."""
        return () if obj is None else ("name",)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: Django's
        """This will save through the operation, on behalf of the user."""
        row, _ = sources.save_source(form.wanted, actor=actor_of(request), now=timezone.now())
        obj.pk = row.pk

    def delete_model(self, request: HttpRequest, obj: WebhookSource) -> None:
        """This will delete through the operation. Raises PermissionDenied while a workflow names it."""
        try:
            sources.delete_source(name=obj.name, actor=actor_of(request), now=timezone.now())
        except SourceInUse as error:
            raise PermissionDenied(str(error)) from error

    def get_actions(self, request: HttpRequest) -> Any:  # noqa: ARG002  Any: unfold's types are its own
        """This will offer no deletion of many: each is an operation by itself."""
        return {}


class LookedAt(ActingAdmin):
    """What is looked at only."""

    list_filter_sheet = False
    list_fullwidth = True
    list_per_page = 50
    sortable_by = ()

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: it comes from outside."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: what happened stays as it was."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: months are dropped by retention."""
        return False


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(LookedAt):
    """Every request that was acknowledged, the newest first."""

    list_display = ("received_at", "source", "type", "short_id", "shown_state", "problem")
    empty_text = "No request has been taken in."
    list_filter = ("state",)
    search_fields = ("=source", "=delivery_id", "=type")
    search_help_text = "The whole source, id or type."
    ordering = ("-id",)
    fields = (
        "from_source",
        "badge",
        "problem",
        "type",
        "delivery_id",
        "received_at",
        "signed_at",
        "peer",
        "key",
        "its_event",
        "came_to",
        "read_again",
        "shown_headers",
        "content",
    )
    readonly_fields = fields
    actions = ("replay_selected",)
    page_actions = (
        PageAction(
            name="replay_selected",
            text="Read again",
            question="It becomes a new event: whatever listens to it listens again, and its triggers start new runs.",
        ),
    )

    @display(description="State", label=_STATES)
    def shown_state(self, row: WebhookDelivery) -> str:
        """This will show what became of it."""
        return str(row.state)

    @admin.display(description="state")
    def badge(self, row: WebhookDelivery) -> SafeString:
        """This will show what became of it, on its page."""
        return badge_of(row.state)

    @admin.display(description="delivery id")
    def short_id(self, row: WebhookDelivery) -> SafeString:
        """This will cut a long id, which its page has whole."""
        return cut(row.delivery_id)

    @admin.display(description="source")
    def from_source(self, row: WebhookDelivery) -> SafeString:
        """This will lead to its source, by its name: the list finds it."""
        return link_to_list("automation_webhooksource", row.source, q=row.source)

    @admin.display(description="event")
    def its_event(self, row: WebhookDelivery) -> SafeString | str:
        """This will lead to the event it became, or that came before it."""
        return "-" if row.event is None else link_to("workflows_event", row.event, row.event)

    @admin.display(description="read again")
    def read_again(self, row: WebhookDelivery) -> SafeString | str:
        """This will lead to what it repeats, and to its own repetitions."""
        shown = [one.pk for one in queries.replays(delivery=row.pk)]
        links = [format_html("as {}", link_to("automation_webhookdelivery", one, one)) for one in shown]
        if row.replay_of is not None:
            links.insert(
                0, format_html("it is {}", link_to("automation_webhookdelivery", row.replay_of, row.replay_of))
            )
        return format_html_join(mark_safe("<br>"), "{}", ((one,) for one in links)) or "-"

    @admin.display(description="headers")
    def shown_headers(self, row: WebhookDelivery) -> SafeString:
        """This will show the headers, with secrets masked."""
        return _json(queries.shown_headers(row))

    @admin.display(description="body")
    def content(self, row: WebhookDelivery) -> SafeString:
        """This will show the body, with secrets masked."""
        return _json(queries.shown_body(row))

    @admin.display(description="came to")
    def came_to(self, row: WebhookDelivery) -> SafeString:
        """This will list what its event started."""
        firings = [] if row.event is None else queries.firings(event=row.event)
        return render_to_string("automation/firings.html", {"firings": firings})

    @admin.action(description="Read again, as new events", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """This will have the chosen requests read again."""
        chosen = list(queryset.order_by("id").values_list("id", flat=True)[: replaying.MOST])
        made = replaying.replay(chosen, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"{len(made)} request{'s are' if len(made) != 1 else ' is'} read again.")

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """This will allow it to whoever may publish events."""
        return request.user.has_perm("workflows.add_event")


@admin.register(WebhookRefusal)
class WebhookRefusalAdmin(LookedAt):
    """How much was not taken, and why."""

    list_display = ("hour", "source", "why", "count", "latest_at")
    list_filter = ("reason",)
    search_fields = ("=source",)
    search_help_text = "The whole source."
    empty_text = "Nothing was refused."
    ordering = ("-hour", "source")
    fields = list_display
    readonly_fields = fields

    @admin.display(description="reason")
    def why(self, row: WebhookRefusal) -> str:
        """This will say the reason in words."""
        return words(row.reason)


@admin.register(EventTrigger)
class EventTriggerAdmin(LookedAt):
    """What events start, as definitions say it."""

    list_display = ("workflow", "shown_kind", "shown_type", "source", "match", "missing_since")
    empty_text = "No workflow starts at an event."
    list_filter = ("kind",)
    search_fields = ("=workflow", "=type")
    search_help_text = "The whole workflow or type."
    ordering = ("workflow", "kind", "place")
    fields = (
        "of_workflow",
        "shown_kind",
        "shown_type",
        "source",
        "match",
        "shown_input",
        "within",
        "due_at",
        "missing_since",
        "created_at",
        "ended_at",
        "lately",
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventTrigger]:
        """This will show those in force; one that has ended is still there by its address."""
        rows: QuerySet[EventTrigger] = super().get_queryset(request)
        is_one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows if is_one else rows.filter(ended_at=None)

    @admin.display(description="workflow")
    def of_workflow(self, row: EventTrigger) -> SafeString:
        """This will lead to the workflow, by its name: the list finds it."""
        return link_to_list("workflows_workflow", row.workflow, q=row.workflow)

    @admin.display(description="kind")
    def shown_kind(self, row: EventTrigger) -> str:
        """This will say what starts it, in words."""
        return words(row.kind)

    @admin.display(description="may stay away for")
    def within(self, row: EventTrigger) -> str:
        """This will show how long what must come may stay away."""
        return span(row.within_s) if row.within_s else "-"

    @admin.display(description="type")
    def shown_type(self, row: EventTrigger) -> str:
        """This will show the type as it is written."""
        return row.shown_type

    @admin.display(description="input")
    def shown_input(self, row: EventTrigger) -> SafeString:
        """This will show the input of its runs."""
        return _json(row.input)

    @admin.display(description="latest events")
    def lately(self, row: EventTrigger) -> SafeString:
        """This will list what became of the latest events."""
        return render_to_string("automation/firings.html", {"firings": queries.latest_firings(trigger=row.pk)})


def badge_of(state: object) -> SafeString:
    """This will show a state as a coloured badge."""
    return render_to_string("workflows/badge.html", badge(state))


def _json(value: object) -> SafeString:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return render_to_string("workflows/event_data.html", {"text": text})
