"""Webhooks that go out, in the admin: endpoints with their form, messages with every attempt, sending again."""

from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from audit.admin_pages import ListingAdmin, PageAction, link_to
from automation.admin.webhooks import LookedAt, badge_of
from automation.errors import MessageNotEnded
from automation.models import WebhookEndpoint, WebhookMessage
from automation.outbound import endpoints, queries
from automation.outbound.endpoints import EndpointWanted
from automation.outbound_models import MessageState
from integrations import admin_forms
from workflows.admin.pages import actor_of

_SAID = ("name", "url", "connection", "types", "source", "format", "secrets", "is_enabled")
_LISTS = ("types", "secrets")


class EndpointForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """An endpoint as a person writes it."""

    types = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "order.paid\ninvoice.*"}),
        help_text="Types of events, a line each; order.* for all that begin so.",
    )
    secrets = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "placeholder": "env:PARTNER_SECRET"}),
        help_text="Where its secrets are, a line each, the newest first. Never write a secret itself.",
    )

    class Meta:
        model = WebhookEndpoint
        fields = _SAID

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: Django's
        super().__init__(*args, **options)
        if self.instance.pk:
            for name in _LISTS:
                self.initial[name] = "\n".join(getattr(self.instance, name))

    def clean(self) -> dict[str, Any]:  # Any: Django's
        """This will say everything that is wrong with the endpoint, each at its field."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        for name in _LISTS:
            cleaned[name] = admin_forms.lines_of(cleaned[name])
        given = {name: cleaned.get(name, getattr(self.instance, name)) for name in _SAID}
        self.wanted = EndpointWanted(**{**given, **{name: tuple(given[name]) for name in _LISTS}})
        admin_forms.tell(self, ((one.path, one.advice) for one in endpoints.problems_of(self.wanted)))
        return cleaned


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ListingAdmin):
    """Who is sent events, and a form for each; every change is an operation."""

    form = EndpointForm
    fields = _SAID
    empty_text = "Nobody is sent events yet."
    list_display = ("name", "url", "wants", "shown_state", "failing_since", "disabled_reason")
    list_filter = ("is_enabled",)
    list_filter_sheet = False
    search_fields = ("name", "url")
    ordering = ("name",)

    @display(description="Types")
    def wants(self, row: WebhookEndpoint) -> str:
        """This will show what it is subscribed to."""
        return ", ".join(row.types)

    @display(description="State", label={"enabled": "success", "failing": "warning", "disabled": "danger"})
    def shown_state(self, row: WebhookEndpoint) -> str:
        """This will show whether it takes what it is sent."""
        if not row.is_enabled:
            return "disabled"
        return "enabled" if row.failing_since is None else "failing"

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> tuple[str, ...]:  # noqa: ARG002  Django's signature
        """This will keep the name of an existing endpoint."""
        return () if obj is None else ("name",)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: Django's
        """This will save through the operation, on behalf of the user."""
        row, _ = endpoints.save_endpoint(form.wanted, actor=actor_of(request), now=timezone.now())
        obj.pk = row.pk

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        """This will delete through the operation."""
        endpoints.delete_endpoint(name=obj.name, actor=actor_of(request), now=timezone.now())

    def get_actions(self, request: HttpRequest) -> Any:  # noqa: ARG002  Any: unfold's types are its own
        """This will offer no deletion of many: each is an operation by itself."""
        return {}


@admin.register(WebhookMessage)
class WebhookMessageAdmin(LookedAt):
    """What was sent, the newest first, with every attempt."""

    list_display = ("created_at", "to", "type", "shown_state", "attempts", "latest")
    list_filter = ("state",)
    search_fields = ("=endpoint__name", "=type")
    search_help_text = "The whole endpoint or type."
    ordering = ("-id",)
    list_select_related = ("endpoint",)
    empty_text = "No event has been sent on."
    fields = ("through", "type", "its_event", "badge", "attempts", "due_at", "created_at", "ended_at", "tried")
    readonly_fields = fields
    actions = ("redeliver_selected",)
    page_actions = (
        PageAction(
            name="redeliver_selected",
            text="Send again",
            question="It goes to the endpoint once more, under the same id and with all its attempts.",
        ),
    )

    def offers(self, row: WebhookMessage, action: PageAction) -> bool:  # noqa: ARG002  the signature of all of them
        """This will offer to send what is not just being sent."""
        return row.state != MessageState.PENDING

    @display(description="Endpoint")
    def to(self, row: WebhookMessage) -> str:
        """This will name the endpoint."""
        return row.endpoint.name

    @display(description="Endpoint")
    def through(self, row: WebhookMessage) -> SafeString:
        """This will lead to the endpoint."""
        return link_to("automation_webhookendpoint", row.endpoint_id, row.endpoint.name)

    @display(description="Event")
    def its_event(self, row: WebhookMessage) -> SafeString:
        """This will lead to the event."""
        return link_to("workflows_event", row.event, row.event)

    @display(description="State")
    def badge(self, row: WebhookMessage) -> SafeString:
        """This will show what became of it, on its page."""
        return badge_of(row.state)

    @display(description="State", label={"pending": "info", "delivered": "success", "dead": "danger"})
    def shown_state(self, row: WebhookMessage) -> str:
        """This will show what became of it."""
        return str(row.state)

    @display(description="Latest attempt")
    def latest(self, row: WebhookMessage) -> str:
        """This will show the latest answer."""
        found = queries.latest_attempt(row)
        return f"{found['status'] or 'no answer'} {found['error']}".strip() if found else "none yet"

    @admin.display(description="attempts made")
    def tried(self, row: WebhookMessage) -> SafeString:
        """This will list the latest attempts."""
        attempts = [{**one, "at": datetime.fromisoformat(one["at"])} for one in reversed(row.log)]
        return render_to_string("automation/attempts.html", {"attempts": attempts})

    @admin.action(description="Send again", permissions=["redeliver"])
    def redeliver_selected(self, request: HttpRequest, queryset: QuerySet[WebhookMessage]) -> None:
        """This will have the chosen messages sent again."""
        chosen = list(queryset.order_by("id").values_list("id", flat=True))
        try:
            count = endpoints.redeliver(chosen, actor=actor_of(request), now=timezone.now())
        except MessageNotEnded as error:
            messages.error(request, str(error))
            return
        messages.success(request, f"{count} message{'s are' if count != 1 else ' is'} sent again.")

    def has_redeliver_permission(self, request: HttpRequest) -> bool:
        """This will allow it to whoever may publish events."""
        return request.user.has_perm("workflows.add_event")
