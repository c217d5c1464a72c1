"""Events in the admin: what was published, who received it, who waits; a form publishes, no row is edited."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from audit.admin_pages import cut, link_to
from audit.redaction import redacted
from workflows import event_queries, operations
from workflows.admin import related
from workflows.admin.pages import ListingAdmin, actor_of, is_allowed, names_of
from workflows.core.correlation import NewEvent
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem
from workflows.errors import EventInvalid
from workflows.event_models import EventWaitState
from workflows.models import Event, EventWait
from workflows.operations.events import check
from workflows.templatetags.workflow_display import badge

_FIELDS = ("type", "key", "data", "source", "event_id", "ttl")
_SHOWN = (
    "type",
    "key",
    "source",
    "event_id",
    "subject",
    "time",
    "published",
    "received_at",
    "expires_at",
    "content",
    "others",
    "came_to",
    "who_received",
    "who_waits",
)


class EventForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """An event as a person publishes it."""

    key = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Whom it is about: steps wait for type and key."
    )
    data = forms.CharField(  # type: ignore[assignment]  # the field of that name, not the form's own attribute
        required=False, initial="{}", widget=UnfoldAdminTextareaWidget, help_text="JSON.", label="Data"
    )
    source = forms.CharField(
        required=False, widget=UnfoldAdminTextInputWidget, help_text="Where it comes from; empty: you."
    )
    event_id = forms.CharField(
        required=False,
        label="Id",
        widget=UnfoldAdminTextInputWidget,
        help_text="With the source its name: the same again changes nothing. Empty: a new one.",
    )
    ttl = forms.CharField(
        required=False,
        label="Time to live",
        widget=UnfoldAdminTextInputWidget,
        help_text="How long it is kept for steps that do not wait yet, such as 3d. Empty: as the site says.",
    )

    class Meta:
        model = Event
        fields = ("type", "key", "source", "event_id")
        widgets = {"type": UnfoldAdminTextInputWidget}

    def clean_data(self) -> object:
        """This will read the data as JSON."""
        try:
            value: object = orjson.loads(self.cleaned_data["data"] or "null")
        except orjson.JSONDecodeError as error:
            raise ValidationError(f"This is not JSON: {error}.") from error
        return value

    def clean_ttl(self) -> float | None:
        """This will read the length of time."""
        try:
            return parse_duration(self.cleaned_data["ttl"]) if self.cleaned_data["ttl"] else None
        except DurationInvalid as error:
            raise ValidationError(str(error)) from error

    def clean(self) -> dict[str, Any]:  # Any: Django's signature
        """This will refuse, at its field, what cannot be published."""
        values: dict[str, Any] = super().clean() or {}
        if self.errors:
            return values
        try:
            check([event_of(values, source="admin")])
        except EventInvalid as error:
            raise ValidationError({_field(problem): problem.message for problem in error.problems}) from error
        return values

    def _post_clean(self) -> None:
        """The row is made by the operation: there is none to check."""


def event_of(values: dict[str, Any], *, source: str) -> NewEvent:  # Any: a form's values
    """This will say what a form publishes."""
    return NewEvent(
        id=values["event_id"] or str(uuid4()),
        source=values["source"] or source,
        type=values["type"],
        key=values["key"],
        data=values["data"],
        ttl_s=values["ttl"],
    )


class BufferedFilter(admin.SimpleListFilter):
    """Events that are still there for steps that have not begun to wait, or that are not."""

    title = "buffered"
    parameter_name = "buffered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  Any: as Django has it
        """This will offer both."""
        return [("yes", "still there"), ("no", "expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:  # noqa: ARG002
        """This will narrow the list."""
        if self.value() == "yes":
            return queryset.filter(expires_at__gt=timezone.now())
        return queryset.filter(expires_at__lte=timezone.now()) if self.value() == "no" else queryset


@admin.register(Event)
class EventAdmin(ListingAdmin):
    """The list, the page of an event with who received it, and a form to publish."""

    form = EventForm
    list_display = ("type", "key", "source", "short_id", "received_at", "kept_until")
    empty_text = "No event has been published."
    list_filter = (BufferedFilter,)
    search_fields = ("=key", "=type", "=event_id")
    search_help_text = "The whole key, type or id."
    ordering = ("-id",)
    list_per_page = 50
    list_fullwidth = True

    def get_fields(self, request: HttpRequest, obj: Event | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will ask for what is published, and show what is known of an event."""
        return _FIELDS if obj is None else _SHOWN

    def get_readonly_fields(self, request: HttpRequest, obj: Event | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will let nobody edit an event."""
        return () if obj is None else _SHOWN

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: what happened stays as it was told."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: months are dropped by retention."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will allow it to whoever may view events, or publish them."""
        return is_allowed(request, "view_event") or is_allowed(request, "add_event")

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: as Django has it
        """This will publish through the operation, on behalf of the user."""
        actor = actor_of(request)
        told = operations.publish_event(event_of(form.cleaned_data, source=str(actor)), actor=actor, now=timezone.now())
        obj.pk = told.row
        if told.is_new:
            messages.info(request, f"Steps that waited for it: {told.waiting}.")
        else:
            messages.warning(request, "An event of this source and id came before: nothing is changed.")

    @admin.display(description="id")
    def short_id(self, event: Event) -> SafeString:
        """This will cut a long id, which its page has whole."""
        return cut(event.event_id)

    @admin.display(description="buffered until")
    def kept_until(self, event: Event) -> str:
        """This will say how long it is there for steps that have not begun to wait."""
        return "expired" if not event_queries.is_buffered(event, now=timezone.now()) else _instant(event.expires_at)

    @admin.display(description="published by")
    def published(self, event: Event) -> str:
        """This will show who published it, by name where there is one."""
        return names_of([event.published_by]).get(event.published_by, event.published_by)

    @admin.display(description="data")
    def content(self, event: Event) -> SafeString:
        """This will show its data, with secrets masked."""
        return _json(event.data)

    @admin.display(description="other attributes")
    def others(self, event: Event) -> SafeString:
        """This will show all other attributes, with secrets masked."""
        return _json(event.attributes)

    @admin.display(description="came from and went to")
    def came_to(self, event: Event) -> SafeString:
        """This will lead to the webhook it came from, the runs it started, and the webhooks it went out as."""
        rows = [{"row": one, "link": link_to(one.page, one.key, one.text)} for one in related.of(event)]
        return render_to_string("workflows/event_related.html", {"related": rows})

    @admin.display(description="received by")
    def who_received(self, event: Event) -> SafeString:
        """This will list the steps that received it."""
        waits = event_queries.receivers(event=event.id)
        return render_to_string("workflows/event_waits.html", {"waits": waits, "empty": "No step has received it."})

    @admin.display(description="waiting for such an event")
    def who_waits(self, event: Event) -> SafeString:
        """This will list the steps that wait for this type and key now."""
        waits = event_queries.still_waiting(event_type=event.type, key=event.key)
        return render_to_string("workflows/event_waits.html", {"waits": waits, "empty": "No step waits."})


@admin.register(EventWait)
class EventWaitAdmin(ListingAdmin):
    """The steps that wait, or have waited, for events; they are looked at only."""

    list_display = ("type", "key", "status", "workflow_name", "place", "since", "until", "passed_over", "problem")
    fields = (
        "run",
        "workflow_name",
        "place",
        "type",
        "key",
        "source",
        "match",
        "status",
        "since",
        "until",
        "ended_at",
        "its_event",
        "passed_over",
        "problem",
    )
    readonly_fields = fields
    empty_text = "No step waits for an event."
    list_filter = ("state",)
    search_fields = ("=key", "=type", "=workflow_name")
    search_help_text = "The whole key, type or workflow."
    ordering = ("-id",)
    list_per_page = 50
    list_fullwidth = True

    @admin.display(description="run")
    def run(self, wait: EventWait) -> SafeString:
        """This will lead to the run whose step waits."""
        return link_to("workflows_run", wait.run_id, wait.run_id)

    @admin.display(description="step")
    def place(self, wait: EventWait) -> str:
        """This will name the step, with its item."""
        return wait.step if wait.index < 0 else f"{wait.step}[{wait.index}]"

    @admin.display(description="state")
    def status(self, wait: EventWait) -> SafeString:
        """This will show whether it has been received."""
        return render_to_string("workflows/badge.html", badge(wait.state))

    @admin.display(description="event")
    def its_event(self, wait: EventWait) -> SafeString | str:
        """This will lead to the event that was received."""
        return "-" if wait.event is None else link_to("workflows_event", wait.event, wait.event)

    def get_queryset(self, request: HttpRequest) -> QuerySet[EventWait]:
        """This will show who waits now, unless another state was chosen."""
        rows: QuerySet[EventWait] = super().get_queryset(request)
        is_one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return rows if is_one or "state__exact" in request.GET else rows.filter(state=EventWaitState.WAITING)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: steps wait, not people."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: what a step waits for stays."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: it goes with its run."""
        return False


def _field(problem: Problem) -> str:
    """What is wrong with no field of the form is wrong with the data."""
    name = problem.path.removeprefix("$.")
    return {"id": "event_id", "correlationkey": "key"}.get(name, name if name in _FIELDS else "data")


def _json(value: object) -> SafeString:
    text = orjson.dumps(redacted(value), option=orjson.OPT_INDENT_2).decode()
    return render_to_string("workflows/event_data.html", {"text": text})


def _instant(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}"
