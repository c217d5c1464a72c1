"""What lists can be narrowed by; an unknown parameter is refused, for a misspelt one would show all."""

from datetime import datetime
from typing import Any

import django_filters
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from workflows import human_queries, human_rights
from workflows.api.pagination import PARAMETERS
from workflows.core import identity
from workflows.core.states import DeadLetterState, IncidentState, PoisonState, RunState
from workflows.core.voting import RequestState
from workflows.models import DeadLetter, Event, HumanRequest, Incident, PoisonMessage, Run


class StrictFilterBackend(DjangoFilterBackend):
    """Filters as the view's filter set says."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: APIView) -> QuerySet[Any]:
        """This will narrow the list. Raises ValidationError for an unknown parameter or a wrong value."""
        filters = self.get_filterset_class(view, queryset)
        known = {*PARAMETERS, *(filters.base_filters if filters is not None else ())}
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            message = f"is no parameter of this list: choose from {', '.join(sorted(known))}"
            raise ValidationError(dict.fromkeys(unknown, message))
        narrowed: QuerySet[Any] = super().filter_queryset(request, queryset, view)
        return narrowed


class RunFilter(FilterSet):
    """Runs. Their ids are ordered by time, so that a range of time is a range of ids."""

    workflow = django_filters.CharFilter(field_name="workflow_name")
    state = django_filters.ChoiceFilter(choices=[(state.value, state.value) for state in RunState])
    correlation_id = django_filters.CharFilter()
    started_by = django_filters.CharFilter(help_text="The actor, for example `token:shop:3`.")
    mode = django_filters.ChoiceFilter(choices=[("live", "live"), ("dry_run", "dry_run")], method="of_mode")
    created_after = django_filters.IsoDateTimeFilter(method="from_instant")
    created_before = django_filters.IsoDateTimeFilter(method="before_instant")

    class Meta:
        model = Run
        fields = ()

    def of_mode(self, runs: QuerySet[Run], _name: str, value: str) -> QuerySet[Run]:
        """This will keep dry runs, or those that are none."""
        return runs.filter(is_dry=value == "dry_run")

    def from_instant(self, runs: QuerySet[Run], _name: str, value: datetime) -> QuerySet[Run]:
        """This will keep runs created at or after an instant."""
        return runs.filter(id__gte=_earliest_id(value))

    def before_instant(self, runs: QuerySet[Run], _name: str, value: datetime) -> QuerySet[Run]:
        """This will keep runs created before an instant."""
        return runs.filter(id__lt=_earliest_id(value))


class EventFilter(FilterSet):
    """Events. Their ids are ordered by time like those of runs."""

    type = django_filters.CharFilter()
    key = django_filters.CharFilter()
    source = django_filters.CharFilter()
    received_after = django_filters.IsoDateTimeFilter(method="from_instant")
    received_before = django_filters.IsoDateTimeFilter(method="before_instant")

    class Meta:
        model = Event
        fields = ()

    def from_instant(self, events: QuerySet[Event], _name: str, value: datetime) -> QuerySet[Event]:
        """This will keep events that came at or after an instant."""
        return events.filter(id__gte=_earliest_id(value))

    def before_instant(self, events: QuerySet[Event], _name: str, value: datetime) -> QuerySet[Event]:
        """This will keep events that came before an instant."""
        return events.filter(id__lt=_earliest_id(value))


class DeadLetterFilter(FilterSet):
    """Dead letters."""

    workflow = django_filters.CharFilter(field_name="workflow_name")
    state = django_filters.ChoiceFilter(choices=[(state.value, state.value) for state in DeadLetterState])

    incident = django_filters.CharFilter(field_name="fingerprint")
    run = django_filters.UUIDFilter(field_name="run_id")

    class Meta:
        model = DeadLetter
        fields = ()


class IncidentFilter(FilterSet):
    """Incidents."""

    workflow = django_filters.CharFilter(field_name="workflow_name")
    state = django_filters.ChoiceFilter(choices=[(state.value, state.value) for state in IncidentState])
    owner = django_filters.CharFilter()

    class Meta:
        model = Incident
        fields = ()


class PoisonMessageFilter(FilterSet):
    """Poison messages."""

    state = django_filters.ChoiceFilter(choices=[(state.value, state.value) for state in PoisonState])
    incident = django_filters.CharFilter(field_name="fingerprint")

    class Meta:
        model = PoisonMessage
        fields = ()


class RequestFilter(FilterSet):
    """What people are asked."""

    state = django_filters.ChoiceFilter(choices=[(state.value, state.value) for state in RequestState])
    workflow = django_filters.CharFilter(field_name="workflow_name")
    run = django_filters.UUIDFilter(field_name="run_id")
    waiting_for = django_filters.CharFilter(method="for_person", help_text="The name of a user, or `me`.")

    class Meta:
        model = HumanRequest
        fields = ()

    def for_person(self, rows: QuerySet[HumanRequest], _name: str, value: str) -> QuerySet[HumanRequest]:
        """This will keep what waits for an answer of one user."""
        is_me = value == "me" and self.request.auth is None
        person = human_rights.person_of(self.request.user) if is_me else human_rights.get_person(value)
        return rows.filter(id__in=human_queries.inbox(person).order_by().values("id"))


def _earliest_id(instant: datetime) -> str:
    return str(identity.run_id(unix_ms=max(0, int(instant.timestamp() * 1000)), random_bytes=bytes(10)))
