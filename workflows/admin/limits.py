"""Limits in the admin: how full they are, who has their slots and who waits; every change is an operation."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin

from workflows import capacity, operations
from workflows.admin.pages import actor_of
from workflows.errors import LimitInUse
from workflows.models import Limit
from workflows.operations.limits import MAX_CAPACITY


class LimitForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A limit as a person writes it."""

    class Meta:
        model = Limit
        fields = ("name", "capacity", "description")

    def clean_capacity(self) -> int:
        """This will refuse a limit that is larger than any may be."""
        number = int(self.cleaned_data["capacity"])
        if number > MAX_CAPACITY:
            raise ValidationError(f"must be 0 to {MAX_CAPACITY}")
        return number

    def clean_name(self) -> str:
        """This will take names as definitions write them: in lower case."""
        name = str(self.cleaned_data["name"])
        if name != name.lower():
            raise ValidationError("must be lower-case letters, digits, - and _")
        return name


@admin.register(Limit)
class LimitAdmin(ModelAdmin):
    """The list, and a page for each with its holders and its line; the name is fixed once given."""

    form = LimitForm
    list_display = ("name", "capacity", "held_slots", "in_line", "description", "updated_at")
    search_fields = ("name",)
    ordering = ("name",)
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Limit]:  # noqa: ARG002 - Django calls it so
        """This will read the limits with how full they are."""
        return capacity.counted()

    def get_readonly_fields(self, request: HttpRequest, obj: Limit | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will keep the name of an existing limit, and show who has it and who waits."""
        return () if obj is None else ("name", "who_has_it", "who_waits")

    def get_fields(self, request: HttpRequest, obj: Limit | None = None) -> tuple[str, ...]:
        """This will show a new limit's form without the parts that it has not yet."""
        return (*LimitForm.Meta.fields, *self.get_readonly_fields(request, obj)[1:])

    @admin.display(description="held")
    def held_slots(self, limit: Limit) -> int:
        """This will count the slots that somebody has."""
        return int(getattr(limit, "held", 0))

    @admin.display(description="waiting")
    def in_line(self, limit: Limit) -> int:
        """This will count the steps in line."""
        return int(getattr(limit, "waiting", 0))

    @admin.display(description="who has it")
    def who_has_it(self, limit: Limit) -> SafeString:
        """This will list the steps that have a slot."""
        report = capacity.report(name=limit.name)
        return render_to_string(
            "workflows/limit_holders.html", {"report": report, "holders": capacity.holders(name=limit.name)}
        )

    @admin.display(description="who waits")
    def who_waits(self, limit: Limit) -> SafeString:
        """This will list the steps in line, the first one first."""
        report = capacity.report(name=limit.name)
        return render_to_string("workflows/limit_line.html", {"report": report, "line": capacity.line(name=limit.name)})

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: as Django has it
        """This will save through the operation, on behalf of the user."""
        values = {field: form.cleaned_data[field] for field in ("capacity", "description")}
        name = str(form.instance.name)
        limit, _ = operations.set_limit(name=name, actor=actor_of(request), now=timezone.now(), **values)
        obj.pk = limit.pk

    def delete_model(self, request: HttpRequest, obj: Limit) -> None:
        """This will delete through the operation. Raises PermissionDenied with the reason when it is in use."""
        try:
            operations.delete_limit(name=obj.name, actor=actor_of(request), now=timezone.now())
        except LimitInUse as error:
            messages.error(request, str(error))
            raise PermissionDenied(str(error)) from error

    def get_actions(self, request: HttpRequest) -> Any:  # noqa: ARG002  Any: unfold's types are its own
        """This will offer no deletion of many: each is checked by itself."""
        return {}
