"""Calendars of days off in the admin; every change is an operation."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from unfold.admin import ModelAdmin

from automation import scheduling
from automation.errors import CalendarInUse
from automation.models import DayCalendar
from automation.schedule.exclusions import read_days_off
from workflows.admin.pages import actor_of


class CalendarForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A calendar as a person writes it."""

    class Meta:
        model = DayCalendar
        fields = ("name", "days", "description")

    def clean_days(self) -> object:
        """This will refuse what are no days, and say why."""
        days = self.cleaned_data["days"]
        if not isinstance(days, dict):
            raise ValidationError('write a mapping such as {"dates": ["12-25"], "weekdays": ["SUN"]}')
        try:
            read_days_off(days)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        return days

    def clean_name(self) -> str:
        """This will take names as definitions write them: in lower case, with hyphens."""
        name = str(self.cleaned_data["name"])
        if name != name.lower() or "_" in name:
            raise ValidationError("must be lower-case words joined by hyphens, such as holidays-de")
        return name


@admin.register(DayCalendar)
class CalendarAdmin(ModelAdmin):
    """The list, and a form for each; the name is fixed once given."""

    form = CalendarForm
    list_display = ("name", "days", "description", "updated_at")
    search_fields = ("name",)
    ordering = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: DayCalendar | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will keep the name of an existing calendar: schedules name it."""
        return () if obj is None else ("name",)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: as Django has it
        """This will save through the operation, on behalf of the user."""
        values = {field: form.cleaned_data[field] for field in ("days", "description")}
        name = str(form.instance.name)
        calendar, _ = scheduling.set_calendar(name=name, actor=actor_of(request), now=timezone.now(), **values)
        obj.pk = calendar.pk

    def delete_model(self, request: HttpRequest, obj: DayCalendar) -> None:
        """This will delete through the operation. Raises PermissionDenied with the reason when it is in use."""
        try:
            scheduling.delete_calendar(name=obj.name, actor=actor_of(request), now=timezone.now())
        except CalendarInUse as error:
            messages.error(request, str(error))
            raise PermissionDenied(str(error)) from error

    def get_actions(self, request: HttpRequest) -> Any:  # noqa: ARG002  Any: unfold's types are its own
        """This will offer no deletion of many: each is checked by itself."""
        return {}
