"""Pauses in the admin: what is paused, why and by whom; pause and resume are operations, no row is edited."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin

from workflows import operations, pause_store
from workflows.admin.pages import actor_of, is_allowed, names_of
from workflows.core.pausing import PauseScope, key_of
from workflows.errors import NotPaused, PauseInvalid, RunBusy, WorkflowError
from workflows.models import Pause
from workflows.operations.pausing import check

_PERMISSIONS = {PauseScope.RUN: "change_run", PauseScope.WORKFLOW: "change_workflow"}


class PauseForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A pause as a person writes it."""

    class Meta:
        model = Pause
        fields = ("scope", "name", "reason", "starts_only", "holds_deadlines")

    def clean(self) -> dict[str, Any]:  # Any: Django's signature
        """This will refuse, at its field, what cannot be paused."""
        values: dict[str, Any] = super().clean() or {}
        if self.errors:
            return values
        try:
            check(wanted_of(values))
        except PauseInvalid as error:
            raise ValidationError({error.field: error.problem}) from error
        except WorkflowError as error:
            raise ValidationError({"name": str(error)}) from error
        return values


def wanted_of(values: dict[str, Any]) -> operations.PauseWanted:  # Any: a form's values
    """This will say what a form asks for."""
    return operations.PauseWanted(
        scope=PauseScope(values["scope"]),
        name=values.get("name", ""),
        reason=values.get("reason", ""),
        starts_only=bool(values.get("starts_only")),
        holds_deadlines=bool(values.get("holds_deadlines")),
    )


def shown(scope: PauseScope, *, name: str, back: str) -> dict[str, object]:
    """This will give what the pause button and the banner of a page need; `back` is the page's address."""
    row = Pause.objects.filter(scope=scope, name=name).first()
    rule = None if row is None else pause_store.rule_of(row)
    by = "" if rule is None else names_of([rule.paused_by]).get(rule.paused_by, rule.paused_by)
    return {"pause_rule": rule, "pause_by": by, "pause_scope": scope.value, "pause_name": name, "pause_back": back}


@admin.register(Pause)
class PauseAdmin(ModelAdmin):
    """The list of what is paused, a form to pause, and an action to resume."""

    form = PauseForm
    actions = ("resume_selected",)
    list_display = ("paused", "reason", "actor", "since", "covers", "deadlines")
    list_display_links = None
    list_fullwidth = True
    ordering = ("id",)
    list_per_page = 50

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: a pause is ended, not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: a pause is ended by a resume."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """This will put the buttons of other pages beside the admin's pages."""
        own = [path("switch/", self.admin_site.admin_view(require_POST(self.switch)), name="workflows_pause_switch")]
        return own + super().get_urls()

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: as Django has it
        """This will pause through the operation, on behalf of the user."""
        row, _ = operations.pause(wanted_of(form.cleaned_data), actor=actor_of(request), now=timezone.now())
        obj.pk = row.pk

    def switch(self, request: HttpRequest) -> HttpResponse:
        """This will pause or resume, as the button of a page said, and go back to it."""
        values = request.POST
        try:
            scope, name = PauseScope(values.get("scope", "")), values.get("name", "")
        except ValueError as error:
            raise Http404(str(error)) from error
        if not is_allowed(request, _PERMISSIONS.get(scope, "add_pause")):
            raise PermissionDenied
        try:
            if values.get("verb") == "resume":
                self._resume(request, scope=scope, name=name)
            else:
                operations.pause(wanted_of(dict(values.items())), actor=actor_of(request), now=timezone.now())
                messages.success(request, f"The {key_of(scope, name=name)} is paused: steps under way end.")
        except WorkflowError as error:
            messages.warning(request, f"Nothing was changed: {error}.")
        back = values.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
        return HttpResponseRedirect(back if is_ours else reverse("admin:workflows_pause_changelist"))

    @admin.action(description="Resume")
    def resume_selected(self, request: HttpRequest, rows: QuerySet[Pause]) -> None:
        """This will let what is selected go on."""
        for row in rows:
            scope = PauseScope(row.scope)
            if not is_allowed(request, _PERMISSIONS.get(scope, "add_pause")):
                raise PermissionDenied
            try:
                self._resume(request, scope=scope, name=row.name)
            except (NotPaused, RunBusy) as error:
                messages.warning(request, str(error))

    def _resume(self, request: HttpRequest, *, scope: PauseScope, name: str) -> None:
        number = operations.resume(scope=scope, name=name, actor=actor_of(request), now=timezone.now())
        messages.success(request, f"The {key_of(scope, name=name)} goes on: {number} waiting segments are due.")

    @admin.display(description="Paused")
    def paused(self, row: Pause) -> str:
        """This will show what is paused."""
        return str(row)

    @admin.display(description="By")
    def actor(self, row: Pause) -> str:
        """This will show who paused it, by name where there is one."""
        return names_of([row.paused_by]).get(row.paused_by, row.paused_by)

    @admin.display(description="Since")
    def since(self, row: Pause) -> str:
        """This will show since when, in UTC."""
        return f"{row.paused_at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="Covers")
    def covers(self, row: Pause) -> str:
        """This will show whether runs under way are paused too."""
        return "new runs" if row.starts_only else "all"

    @admin.display(description="Deadlines")
    def deadlines(self, row: Pause) -> str:
        """This will show what becomes of deadlines."""
        return "are held" if row.holds_deadlines else "go on"
