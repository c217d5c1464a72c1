"""Connections in the admin; every change goes through the operation that audits it, none is deleted."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from audit.events import Actor, ActorKind
from integrations import admin_forms, connection_documents, connections, gate, kinds, operations, probes, queries
from integrations.calls_admin import CallAdmin as CallAdmin
from integrations.connections import ConnectionSpec, Environment
from integrations.errors import WrongConnection
from integrations.models import Connection
from integrations.notifications_admin import NotificationAdmin as NotificationAdmin
from integrations.secrets_admin import StoredSecretAdmin as StoredSecretAdmin

_GATE_FIELDS = (
    "rate_limit",
    "rate_period_s",
    "rate_burst",
    "breaker_error_rate",
    "breaker_slow_rate",
    "breaker_slow_s",
    "breaker_window_s",
    "breaker_min_calls",
    "breaker_open_s",
    "breaker_probes",
)
_IDENTITY_FIELDS = ("name", "kind", "base_url", "environment", "owner")
_ACCESS_FIELDS = ("options", "secrets", "auth_header", "auth_scheme", "secret_reference", "headers")
_EGRESS_FIELDS = ("allow_private", "allowed_hosts")
_LIMIT_FIELDS = ("connect_timeout_s", "read_timeout_s", "max_response_bytes")
_FIELDS = (*_IDENTITY_FIELDS, *_ACCESS_FIELDS, *_EGRESS_FIELDS, *_LIMIT_FIELDS, *_GATE_FIELDS)
_DOCUMENT_FIELDS = ("options", "secrets", "headers", "allowed_hosts")
_EXAMPLES: Mapping[str, str] = {
    "secrets": 'Where its secrets are, by name, such as {"password": "env:SHOP_PASSWORD"}',
    "headers": 'Sent with every request, such as {"X-Tenant": "7"}. No secrets.',
    "allowed_hosts": 'All that may be reached, such as ["api.example.com", "*.example.com"]; empty: any.',
}
"""As JSON, which is what the fields take."""
_STANDARD_WHEN_EMPTY = ("kind", "environment", "allowed_hosts", *_GATE_FIELDS)


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A connection as a person writes it."""

    class Meta:
        model = Connection
        fields = _FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's signature
        super().__init__(*args, **kwargs)
        for name in _STANDARD_WHEN_EMPTY:
            self.fields[name].required = False
        for name, text in _EXAMPLES.items():
            self.fields[name].help_text = text
        self.fields["kind"].widget = UnfoldAdminSelectWidget(choices=[(name, name) for name in sorted(kinds.kinds())])
        for name in _DOCUMENT_FIELDS:
            self.fields[name].widget.attrs["rows"] = 3
        environments = [(one.value, one.value) for one in Environment]
        self.fields["environment"].widget = UnfoldAdminSelectWidget(choices=environments)

    def clean(self) -> dict[str, Any]:  # Any: Django's signature
        """This will show what the rules of connections say, each at its field."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            connections.check(_spec(self))
        except WrongConnection as error:
            admin_forms.tell(self, error.problems.items())
        return cleaned


@admin.register(Connection)
class ConnectionAdmin(ModelAdmin):
    """The outside systems; the name is fixed once given, for definitions use it."""

    form = ConnectionForm
    list_display = ("name", "kind", "environment", "base_url", "owner", "health", "breaker", "updated_at")
    list_filter = ("kind", "environment")
    search_fields = ("name", "base_url", "owner")
    fieldsets = (
        (None, {"fields": _IDENTITY_FIELDS}),
        ("Access", {"fields": _ACCESS_FIELDS}),
        ("Where it may lead", {"fields": _EGRESS_FIELDS}),
        ("Limits of a call", {"fields": _LIMIT_FIELDS}),
        ("Rate limit and circuit breaker", {"fields": _GATE_FIELDS}),
    )

    change_form_outer_after_template = "integrations/connection_kinds.html"  # type: ignore[assignment]  # as unfold means it
    change_form_outer_before_template = "integrations/connection_state.html"  # type: ignore[assignment]  # as unfold means it

    def get_urls(self) -> list[URLPattern]:
        """This will add the address where a connection is tested."""
        test = self.admin_site.admin_view(self.test)
        return [path("<int:pk>/test/", test, name="integrations_connection_test"), *super().get_urls()]

    def changeform_view(  # type: ignore[override]  # unfold promises more than Django does
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,  # Any: Django's signature
    ) -> HttpResponse:
        """This will show, above the form, what is known of the connection besides."""
        row = self.get_object(request, object_id) if object_id else None
        state = {} if row is None else _state(row, may_test=self.has_change_permission(request, row))
        shown = {**(extra_context or {}), "state": state, "kinds": _kinds()}
        response: HttpResponse = super().changeform_view(request, object_id, form_url, shown)
        return response

    def test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """This will test a connection, and lead back to its page. Needs a POST: it calls the peer."""
        row = get_object_or_404(Connection, pk=pk)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if request.method == "POST":
            found = probes.probe(name=row.name, actor=_actor(request), now=timezone.now())
            level = messages.SUCCESS if found.is_well else messages.ERROR
            verdict = "is well" if found.is_well else "is not well"
            self.message_user(request, f"{row.name} {verdict}: {found.detail}", level=level)
        return HttpResponseRedirect(reverse("admin:integrations_connection_change", args=(pk,)))

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django calls it so
        obj: Connection | None = None,
    ) -> tuple[str, ...]:
        """This will keep the name of an existing connection."""
        return () if obj is None else ("name",)

    @admin.display(description="breaker now")
    def breaker(self, connection: Connection) -> str:
        """This will say what the breaker does with calls at this moment."""
        return _breaker(queries.spec_of(connection))

    @display(description="latest test", label={"well": "success", "not well": "danger"})
    def health(self, connection: Connection) -> str:
        """This will say what the latest test found."""
        return "not tested" if connection.is_well is None else "well" if connection.is_well else "not well"

    def save_model(
        self,
        request: HttpRequest,
        obj: Model,
        form: Any,  # Any: it is ConnectionForm, which Django and unfold declare differently
        change: bool,  # noqa: ARG002 - Django calls it so
    ) -> None:
        """This will save through the operation, on behalf of the user."""
        operations.save_connection(
            spec=_spec(form),
            actor=_actor(request),
            now=timezone.now(),
            correlation_id=str(uuid4()),
        )
        obj.pk = Connection.objects.get(name=form.instance.name).pk

    def has_delete_permission(self, request: HttpRequest, obj: Connection | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: published definitions may name the connection."""
        return False


def _state(row: Connection, *, may_test: bool) -> dict[str, object]:
    spec = queries.spec_of(row)
    rate = spec.rate
    header = [(spec.auth_header, spec.secret_reference)] if spec.secret_reference else []
    return {
        "is_well": row.is_well,
        "detail": row.probe_detail,
        "probed_at": row.probed_at,
        "probed_by": _person(row.probed_by),
        "breaker": _breaker(spec),
        "rate": "none" if rate is None else f"{rate.limit} in {rate.period_s:g} s, {rate.burst} at once",
        "secrets": [*header, *sorted(spec.secrets.items())],
        "may_test": may_test,
    }


def _person(actor: str) -> str:
    """Who tested it, for people: a user by name, others as the audit trail has them."""
    kind, _, number = actor.partition(":")
    if kind != ActorKind.USER or not number.isdigit():
        return actor
    person = get_user_model().objects.filter(pk=int(number)).first()
    return actor if person is None else person.get_username()


def _kinds() -> list[dict[str, object]]:
    """What `options` and `secrets` may hold, for people."""
    return [
        {
            "name": name,
            "uses": ", ".join(kind.uses),
            "options": list(_options(kind)),
            "secrets": ", ".join(kind.secret_names),
        }
        for name, kind in sorted(kinds.kinds().items())
    ]


def _options(kind: kinds.Kind) -> Iterator[tuple[str, object, bool]]:
    """Each option with what it is for, and whether it is needed."""
    properties, needed = kind.schema.get("properties"), kind.schema.get("required")
    for name, schema in properties.items() if isinstance(properties, Mapping) else ():
        text = schema.get("description", "") if isinstance(schema, Mapping) else ""
        yield name, text, isinstance(needed, Sequence) and name in needed


def _breaker(spec: ConnectionSpec) -> str:
    return "none" if spec.breaker is None else gate.state_of(spec.name).value.replace("_", " ")


def _actor(request: HttpRequest) -> Actor:
    return Actor(kind=ActorKind.USER, id=str(request.user.pk))


def _spec(form: ConnectionForm) -> ConnectionSpec:
    given = {field: form.cleaned_data.get(field) for field in _FIELDS}
    values = {field: value for field, value in given.items() if value is not None}
    for field in _STANDARD_WHEN_EMPTY:
        if values.get(field) == "":
            del values[field]
    return connection_documents.read(str(values.get("name") or form.instance.name), values)
