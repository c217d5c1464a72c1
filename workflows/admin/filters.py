"""Filters of the lists: each answers from an index, and none reads a table through to find its choices."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from workflows import human_queries, human_rights, overview
from workflows.core.states import DeadLetterState, FailureKind, IncidentState
from workflows.core.voting import RequestState
from workflows.models import Workflow

_WORKFLOWS = 200
_SINCE = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
_ALL = "all"


class StartedFilter(admin.SimpleListFilter):
    """When a run was started, as a range of its id: the last hours, one day, or one hour (2026-11-20T08)."""

    title = "started"
    parameter_name = "started"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer the usual spans."""
        return [("1h", "last hour"), ("24h", "last 24 hours"), ("7d", "last 7 days"), ("30d", "last 30 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        """This will narrow the runs down."""
        value = self.value()
        if value in _SINCE:
            return queryset.filter(id__gte=overview.since(timezone.now() - _SINCE[value]))
        found = _span(value)
        if found is None:
            return queryset
        return queryset.filter(id__gte=overview.since(found[0]), id__lt=overview.since(found[1]))


class WorkflowFilter(admin.SimpleListFilter):
    """Which workflow a run is of, by name."""

    title = "workflow"
    parameter_name = "workflow_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer the workflows there are."""
        names = Workflow.objects.order_by("name").values_list("name", flat=True)[:_WORKFLOWS]
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        """This will narrow the runs down."""
        return queryset.filter(workflow_name=self.value()) if self.value() else queryset


class ModeFilter(admin.SimpleListFilter):
    """Runs with effects outside, and dry runs."""

    title = "mode"
    parameter_name = "mode"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer both."""
        return [("live", "live"), ("dry_run", "dry run")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        """This will narrow the runs down."""
        return queryset.filter(is_dry=self.value() == "dry_run") if self.value() else queryset


class OpenFirstFilter(admin.SimpleListFilter):
    """What has become of dead letters: the open ones unless others are asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer the other states; open is the choice without a value."""
        others = [(state.value, state.value) for state in DeadLetterState if state is not DeadLetterState.OPEN]
        return [*others, (_ALL, _ALL)]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:  # Any: the admin's own dictionaries
        """This will name the choice without a value."""
        for index, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": "open"} if index == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        """This will narrow the dead letters down."""
        wanted = self.value() or DeadLetterState.OPEN.value
        return queryset if wanted == _ALL else queryset.filter(state=wanted)


class UnfinishedFilter(admin.SimpleListFilter):
    """What has become of incidents: those that are not over unless others are asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer every state; what is not over is the choice without a value."""
        return [*((state.value, state.value) for state in IncidentState), (_ALL, _ALL)]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:  # Any: the admin's own dictionaries
        """This will name the choice without a value."""
        for index, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": "unfinished"} if index == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        """This will narrow the incidents down."""
        if self.value() == _ALL:
            return queryset
        if self.value():
            return queryset.filter(state=self.value())
        return queryset.exclude(state__in=[state.value for state in IncidentState if state.is_over])


class InboxFilter(admin.SimpleListFilter):
    """What people are asked: what waits for the user unless others are asked for."""

    title = "show"
    parameter_name = "show"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer the others; what waits for the user is the choice without a value."""
        return [("mine", "all of mine"), ("open", "open"), (_ALL, _ALL)]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:  # Any: the admin's own dictionaries
        """This will name the choice without a value."""
        for index, choice in enumerate(super().choices(changelist)):
            yield {**choice, "display": "waiting for me"} if index == 0 else choice

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """This will narrow the requests down."""
        person = human_rights.person_of(request.user)
        match self.value():
            case "mine":
                return queryset.filter(id__in=human_queries.concerning(person).order_by().values("id"))
            case "open":
                return queryset.filter(state=RequestState.OPEN)
            case "all":
                return queryset
            case _:
                return queryset.filter(id__in=human_queries.inbox(person).order_by().values("id"))


class KindFilter(admin.SimpleListFilter):
    """What is known about the failure."""

    title = "kind of failure"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer every kind there is."""
        return [(kind.value, kind.value) for kind in FailureKind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002  Django's signature
        """This will narrow the dead letters down."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


def _span(text: str | None) -> tuple[datetime, datetime] | None:
    """Read one day or one hour of it; anything else narrows nothing down."""
    day, _, hour = (text or "").partition("T")
    try:
        begin = datetime.combine(date.fromisoformat(day), time(int(hour or "0")), UTC)
        return begin, begin + (timedelta(hours=1) if hour else timedelta(days=1))
    except (ValueError, OverflowError):
        return None
