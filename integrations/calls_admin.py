"""The call ledger in the admin: to be searched and read; a call of unknown outcome can be settled on its page."""

from typing import Any
from uuid import UUID

import orjson
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from audit.admin_pages import ListingAdmin, link_to, link_to_list
from audit.events import Actor, ActorKind
from audit.redaction import redacted
from integrations import call_files, call_queries, operations
from integrations.calls.rules import Outcome
from integrations.errors import IntegrationError, UnknownCallFile
from integrations.models import Call, CallFile

_COLOURS: dict[str, str] = {
    Outcome.SENDING: "info",
    Outcome.SUCCEEDED: "success",
    Outcome.SETTLED: "success",
    Outcome.UNKNOWN: "danger",
    Outcome.REFUSED: "warning",
    Outcome.UNAVAILABLE: "warning",
    Outcome.THROTTLED: "warning",
}
_SHOWN = (
    "status",
    "happened",
    "settled",
    "adapter",
    "through",
    "run",
    "step_place",
    "workflow",
    "correlated",
    "key",
    "attempts",
    "look_ups",
    "first_sent",
    "last_sent",
    "took",
    "digest",
    "only_reads",
    "known",
    "pictures",
    "gave",
)
_HAPPENED, _DID_NOT = "happened", "did_not_happen"
_PERMISSION = "workflows.set_result"


class SettleForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's class takes no parameter at run time
    """What a person has found out about a call."""

    verdict = forms.ChoiceField(
        choices=((_DID_NOT, "It did not happen: it may be sent"), (_HAPPENED, "It has happened: nothing is sent")),
        widget=UnfoldAdminSelectWidget,
        help_text="Its step goes by this when it is requeued.",
    )
    given = forms.CharField(
        label="Output, as JSON",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="What the step gives, if the call has happened.",
    )
    reason = forms.CharField(
        max_length=1000, widget=UnfoldAdminTextInputWidget, help_text="How you know; it goes into the audit trail."
    )

    class Meta:
        model = Call
        fields = ()

    def clean_given(self) -> object:
        """This will read the output as JSON. Raises ValidationError."""
        text = self.cleaned_data["given"].strip()
        if self.cleaned_data.get("verdict") != _HAPPENED:
            if text:
                raise ValidationError("What did not happen has no output: leave it empty.")
            return None
        try:
            value: object = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise ValidationError(f"This is not JSON: {error}. Write null if it has none.") from error
        return value

    def _post_clean(self) -> None:
        """The row is changed by the operation: there is nothing of it to check."""


class OutcomeFilter(admin.SimpleListFilter):
    """Calls by what they came to; first of all those nobody knows the outcome of."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  Any: as Django has it
        """This will offer every outcome."""
        words = [(one.value, one.value) for one in Outcome]
        return [(call_queries.OPEN, "nobody knows"), *words]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:  # noqa: ARG002
        """This will narrow the list."""
        return call_queries.of_outcome(queryset, self.value() or "")


@admin.register(Call)
class CallAdmin(ListingAdmin):
    """The list, those first sent latest first, and the page of each; no row is edited."""

    form = SettleForm
    list_display = ("sent", "status", "adapter", "connection", "workflow", "run_step", "attempts", "took")
    empty_text = "No step has called anything outside."
    list_filter = (OutcomeFilter, ("connection", admin.AllValuesFieldListFilter))
    list_filter_sheet = False
    search_fields = ("=key", "=run_id", "=correlation_id")
    search_help_text = "The exact idempotency key, run or correlation id"
    ordering = ("-first_sent_at", "key")
    sortable_by = ()
    list_per_page = 50
    list_fullwidth = True

    def get_urls(self) -> list[URLPattern]:
        """This will put the files of calls beside the admin's pages."""
        wrap = self.admin_site.admin_view
        own = path("<uuid:key>/files/<str:digest>", wrap(self.read_file), name="integrations_call_file")
        return [own, *super().get_urls()]

    def read_file(self, request: HttpRequest, key: UUID, digest: str) -> HttpResponse:
        """This will hand out a file of a call to who may see the call."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return call_files.as_answer(call_queries.get_file(key=key, digest=digest))
        except UnknownCallFile as error:
            raise Http404(str(error)) from error

    def get_queryset(self, request: HttpRequest) -> QuerySet[Call]:
        """This will leave outputs out of the list."""
        rows: QuerySet[Call] = super().get_queryset(request)
        return rows.defer("output", "evidence")

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002  Django's signature
        queryset: QuerySet[Call],
        search_term: str,
    ) -> tuple[QuerySet[Call], bool]:
        """This will find by whole ids only, which indexes answer."""
        term = search_term.strip()
        return (call_queries.found_by(queryset, term) if term else queryset), False

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:  # Any: Django's shape
        """This will ask for a finding first where somebody has to find out."""
        facts = (None, {"fields": _SHOWN})
        if not isinstance(obj, Call) or not self.has_change_permission(request, obj):
            return (facts,)
        settling = {"fields": ("verdict", "given", "reason"), "description": "Nobody knows whether it has happened."}
        return (("Settle", settling), facts)

    def get_readonly_fields(self, request: HttpRequest, obj: Call | None = None) -> tuple[str, ...]:  # noqa: ARG002 - Django calls it so
        """This will let nobody edit the row."""
        return _SHOWN

    def has_view_permission(self, request: HttpRequest, obj: Call | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will allow who may view calls, or settle them."""
        return request.user.has_perm("integrations.view_call") or request.user.has_perm(_PERMISSION)

    def has_change_permission(self, request: HttpRequest, obj: Call | None = None) -> bool:
        """This will allow to settle an open call to who may set results."""
        is_open = obj is not None and obj.is_open and (obj.outcome != Outcome.SENDING or obj.until_at < timezone.now())
        return is_open and request.user.has_perm(_PERMISSION)

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: steps make calls."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Call | None = None) -> bool:  # noqa: ARG002 - Django calls it so
        """This will refuse: retention lets months go."""
        return False

    def save_model(self, request: HttpRequest, obj: Model, form: Any, change: bool) -> None:  # noqa: ARG002  Any: as Django has it
        """This will settle through the operation, on behalf of the user."""
        values = form.cleaned_data
        finding = operations.Finding(
            happened=values["verdict"] == _HAPPENED, output=values["given"], reason=values["reason"]
        )
        actor = Actor(kind=ActorKind.USER, id=str(request.user.pk))
        try:
            operations.settle_call(key=obj.pk, finding=finding, actor=actor, now=timezone.now())
        except IntegrationError as error:
            messages.set_level(request, messages.ERROR)
            messages.error(request, f"Nothing was settled: {error}.")

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:  # Any: Django's signature
        """The audit trail has it: Django's own log is left alone."""

    @display(description="Outcome", label=_COLOURS)
    def status(self, call: Call) -> str:
        """This will show the outcome as a badge."""
        return call.outcome

    @admin.display(description="First sent")
    def sent(self, call: Call) -> SafeString:
        """This will show when it was first sent, in UTC."""
        return format_html('<span class="ae-nowrap">{}</span>', f"{call.first_sent_at:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="Workflow")
    def workflow(self, call: Call) -> str:
        """This will name the workflow of the run."""
        return call.workflow_name

    @admin.display(description="Connection")
    def through(self, call: Call) -> SafeString | str:
        """This will lead to the connection it went through, by its name: the list finds it."""
        return link_to_list("integrations_connection", call.connection, q=call.connection) if call.connection else "-"

    @admin.display(description="Correlation id")
    def correlated(self, call: Call) -> SafeString | str:
        """This will lead to all calls of the same correlation."""
        wanted = call.correlation_id
        return link_to_list("integrations_call", wanted, q=wanted) if wanted else "-"

    @admin.display(description="Changes something")
    def only_reads(self, call: Call) -> str:
        """This will say whether it could change anything outside."""
        return "no: it may be sent at any time" if call.is_safe else "yes"

    @admin.display(description="Step of run")
    def run_step(self, call: Call) -> SafeString:
        """This will lead from the list to the step on the page of its run."""
        return link_to("workflows_run", call.run_id, call.place)

    @admin.display(description="Step")
    def step_place(self, call: Call) -> str:
        """This will show the step, with item and round."""
        return call.place

    @admin.display(description="Last attempt took")
    def took(self, call: Call) -> str:
        """This will show how long the last attempt took."""
        return "" if call.duration_ms is None else f"{call.duration_ms:,.1f} ms"

    @admin.display(description="Settled by")
    def settled(self, call: Call) -> str:
        """This will show what found out whether it has happened."""
        return call.settled_by.replace("_", "-") or "-"

    @admin.display(description="Run")
    def run(self, call: Call) -> SafeString:
        """This will lead to the run."""
        return link_to("workflows_run", call.run_id, call.run_id)

    @admin.display(description="First sent at")
    def first_sent(self, call: Call) -> str:
        """This will show when it was first sent, in UTC."""
        return f"{call.first_sent_at:%Y-%m-%d %H:%M:%S.%f}"

    @admin.display(description="Last sent at")
    def last_sent(self, call: Call) -> str:
        """This will show when it was last sent, in UTC."""
        return f"{call.last_sent_at:%Y-%m-%d %H:%M:%S.%f}"

    @admin.display(description="Evidence")
    def known(self, call: Call) -> SafeString | str:
        """This will show what is known of the last failure or settlement, with secrets masked."""
        return "none" if call.evidence is None else _json(call.evidence)

    @admin.display(description="Files")
    def pictures(self, call: Call) -> SafeString | str:
        """This will show the pictures it gave or left as evidence, and lead to its other files."""
        found = [
            (reverse("admin:integrations_call_file", args=(call.key, one.digest)), one)
            for one in call_queries.files_of(call.key)
        ]
        rows = ((page, _shown(one, page=page), one.name, one.media_type, one.size_bytes) for page, one in found)
        return format_html_join("", _FILE, rows) or "none"

    @admin.display(description="Output")
    def gave(self, call: Call) -> SafeString | str:
        """This will show what it gave, with secrets masked."""
        return _json(call.output) if call.has_output else "not kept"


def _shown(file: CallFile, *, page: str) -> SafeString | str:
    if not file.is_picture:
        return file.name or file.digest[:16]
    style = "max-width:100%;max-height:24rem;border:1px solid #8884"
    return format_html('<img src="{}" alt="{}" loading="lazy" style="{}">', page, file.name, style)


_FILE = '<p><a href="{0}">{1}</a><br><span class="ae-quiet">{2} · {3} · {4} bytes</span></p>'


def _json(value: object) -> SafeString:
    text = orjson.dumps(redacted(value), option=orjson.OPT_INDENT_2).decode()
    return format_html('<pre class="ae-json">{}</pre>', text)
