"""Alerts and their rules in the admin; every change of a rule is an operation."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from automation.alerting import rules
from automation.errors import AlertRuleInvalid, AlertRuleNotYours
from automation.models import Alert, AlertRule
from integrations import admin_forms
from workflows.admin.pages import ListingAdmin, actor_of
from workflows.templatetags.workflow_display import span


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """A rule as a person writes it."""

    tell = forms.CharField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "placeholder": "mail ops@example.com\nlog operators"}),
        help_text="A channel and whom, a line each: mail ADDRESS, webhook URL, webhook connection:NAME/PATH, log WORD.",
    )

    class Meta:
        model = AlertRule
        fields = ("name", "kind", "object", "count", "over_s", "tell", "repeat_s", "tells_end", "is_enabled")
        labels = {
            "count": "At least",
            "over_s": "Longer than, s",
            "repeat_s": "Tell again after, s",
            "tells_end": "Tell the end",
            "is_enabled": "Enabled",
        }

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: Django's
        super().__init__(*args, **options)
        if self.instance.pk:
            self.initial["tell"] = "\n".join(self.instance.tell)

    def clean(self) -> dict[str, Any]:  # Any: Django's
        """This will say everything that is wrong with the rule, each at its field."""
        cleaned: dict[str, Any] = super().clean() or {}
        given = {**cleaned, "over": cleaned.get("over_s", 0), "repeat": cleaned.get("repeat_s", 0)}
        lines = admin_forms.lines_of(str(cleaned.get("tell", "")))
        document = {key: given[key] for key in rules.FIELDS if key in given} | {"tell": lines}
        try:
            self.rule = rules.read_rule(str(cleaned.get("name", self.instance.name)), document)
        except AlertRuleInvalid as error:
            admin_forms.tell(self, error.problems.items(), renamed={"over": "over_s", "repeat": "repeat_s"})
            return cleaned
        return {**cleaned, "tell": list(self.rule.tell)}


@admin.register(AlertRule)
class AlertRuleAdmin(ListingAdmin):
    """The rules, and a form for each; what a file says is only shown."""

    form = RuleForm
    list_display = ("name", "kind", "object", "count", "over", "told", "is_enabled", "where")
    fields = RuleForm.Meta.fields
    empty_text = "Nobody is told of anything yet."
    list_filter = ("kind", "is_enabled")
    list_filter_sheet = False
    search_fields = ("name", "object")
    ordering = ("name",)

    @display(description="Longer than")
    def over(self, row: AlertRule) -> str:
        """This will show how long something has to last."""
        return span(row.over_s) if row.over_s else "-"

    @display(description="Written")
    def where(self, row: AlertRule) -> str:
        """This will say where the rule is changed."""
        return "in a file" if row.is_declared else "here"

    @display(description="Tells")
    def told(self, row: AlertRule) -> str:
        """This will name the channels and whom they reach."""
        return ", ".join(row.tell)

    def get_readonly_fields(self, request: HttpRequest, obj: AlertRule | None = None) -> tuple[str, ...]:  # noqa: ARG002  Django's signature
        """This will keep the name of an existing rule: its alerts are known by it."""
        return () if obj is None else ("name",)

    def has_change_permission(self, request: HttpRequest, obj: AlertRule | None = None) -> bool:
        """This will refuse where a file says what the rule is."""
        return super().has_change_permission(request, obj) and not (obj is not None and obj.is_declared)

    def has_delete_permission(self, request: HttpRequest, obj: AlertRule | None = None) -> bool:
        """This will refuse where a file says what the rule is."""
        return super().has_delete_permission(request, obj) and not (obj is not None and obj.is_declared)

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: Django's
        """This will save through the operation, on behalf of the user."""
        row, _ = rules.set_rule(rule=form.rule, actor=actor_of(request), now=timezone.now())
        obj.pk = row.pk

    def delete_model(self, request: HttpRequest, obj: AlertRule) -> None:
        """This will delete through the operation. Raises PermissionDenied where a file says what it is."""
        try:
            rules.delete_rule(name=obj.name, actor=actor_of(request), now=timezone.now())
        except AlertRuleNotYours as error:
            raise PermissionDenied(str(error)) from error

    def get_actions(self, request: HttpRequest) -> Any:  # noqa: ARG002  Any: unfold's types are its own
        """This will offer no deletion of many: each is an operation by itself."""
        return {}


@admin.register(Alert)
class AlertAdmin(ListingAdmin):
    """What is and was wrong, the newest first; nothing is edited."""

    list_display = ("words", "status", "rule", "began_at", "ended_at", "told")
    fields = ("rule", "kind", "object", "words", "began_at", "seen_at", "told_at", "told", "ended_at")
    readonly_fields = fields
    list_filter = ("kind", ("ended_at", admin.EmptyFieldListFilter))
    list_filter_sheet = False
    search_fields = ("rule", "object")
    ordering = ("-id",)
    sortable_by = ()

    @display(description="State", label={"firing": "danger", "over": "success"})
    def status(self, row: Alert) -> str:
        """This will show whether it is under way."""
        return "firing" if row.ended_at is None else "over"

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: rules find them."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: they are over when what they found is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Alert | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will refuse: what happened stays."""
        return False
