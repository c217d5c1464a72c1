"""Connections in the admin; every change goes through the operation that audits it, none is deleted."""

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from audit.events import Actor, ActorKind
from integrations import connections, gate, operations, queries
from integrations.connections import ConnectionSpec
from integrations.errors import WrongConnection
from integrations.models import Connection
from integrations.notifications_admin import NotificationAdmin as NotificationAdmin

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
_FIELDS = (
    "name",
    "base_url",
    "allow_private",
    "auth_header",
    "auth_scheme",
    "secret_reference",
    "headers",
    "connect_timeout_s",
    "read_timeout_s",
    "max_response_bytes",
    *_GATE_FIELDS,
)


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A connection as a person writes it."""

    class Meta:
        model = Connection
        fields = _FIELDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's signature
        super().__init__(*args, **kwargs)
        for name in _GATE_FIELDS:
            self.fields[name].required = False  # what is left empty has its standard value

    def clean(self) -> dict[str, Any]:  # Any: Django's signature
        """This will show what the rules of connections say, each at its field."""
        cleaned = super().clean() or self.cleaned_data
        if self.errors:
            return cleaned
        try:
            connections.check(_spec(self))
        except WrongConnection as error:
            for field, problem in error.problems.items():
                self.add_error(field if field in self.fields else None, problem)
        return cleaned


@admin.register(Connection)
class ConnectionAdmin(ModelAdmin):
    """The outside systems; the name is fixed once given, for definitions use it."""

    form = ConnectionForm
    list_display = ("name", "base_url", "allow_private", "secret_reference", "breaker", "updated_at")
    search_fields = ("name", "base_url")

    def get_readonly_fields(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django calls it so
        obj: Connection | None = None,
    ) -> tuple[str, ...]:
        """This will keep the name of an existing connection."""
        return () if obj is None else ("name", "breaker")

    @admin.display(description="breaker now")
    def breaker(self, connection: Connection) -> str:
        """This will say what the breaker does with calls at this moment."""
        if queries.spec_of(connection).breaker is None:
            return "none"
        return gate.state_of(connection.name).value.replace("_", " ")

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
            actor=Actor(kind=ActorKind.USER, id=str(request.user.pk)),
            now=timezone.now(),
            correlation_id=str(uuid4()),
        )
        obj.pk = Connection.objects.get(name=form.instance.name).pk

    def has_delete_permission(self, request: HttpRequest, obj: Connection | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: published definitions may name the connection."""
        return False


def _spec(form: ConnectionForm) -> ConnectionSpec:
    given = {field: form.cleaned_data.get(field) for field in _FIELDS}
    values = {field: value for field, value in given.items() if value is not None}
    return ConnectionSpec(**{"name": form.instance.name, **values})
