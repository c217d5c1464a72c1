"""Variances in the admin: who must look at what; accepted, disputed and assigned one by one or many at once."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.decorators import display

from audit import queries as audit
from reconciliation import operations, queries, reports
from reconciliation.admin.pages import ReconciliationAdmin, may, require
from reconciliation.core.lifecycle import ANSWERS, VarianceState, may_answer
from reconciliation.errors import ReconciliationError
from reconciliation.models import Repair, Variance
from reconciliation.states import RepairState
from workflows.admin.pages import actor_of, names_of
from workflows.errors import WorkflowError

_EVENTS = 50
_LABELS = {
    "open": "danger",
    "disputed": "warning",
    "pending": "info",
    "repaired": "primary",
    "accepted": "success",
    "closed": "success",
}


class StandingFilter(admin.SimpleListFilter):
    """Where variances stand: those that are open, pending or disputed unless others are asked for."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:  # noqa: ARG002  Any: Django's signature
        """This will offer each state, and all."""
        return [*((state.value, state.value) for state in VarianceState), ("all", "all")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Variance]) -> QuerySet[Variance]:  # noqa: ARG002
        """This will narrow the list."""
        if self.value() == "all":
            return queryset
        unsettled = (VarianceState.OPEN, VarianceState.PENDING, VarianceState.DISPUTED)
        return queryset.filter(state__in=[self.value()] if self.value() else unsettled)


@admin.register(Variance)
class VarianceAdmin(ReconciliationAdmin):
    """The list with its filters and answers to many, and the page of each."""

    page_template = "reconciliation/variance.html"
    chips = (
        "state",
        (("", "unsettled"), *((state.value, state.value) for state in VarianceState), ("all", "all")),
    )
    list_before_template = "workflows/list_chips.html"  # type: ignore[assignment]  # unfold types it None
    list_display = ("record", "job", "what", "status", "worth", "first_seen_at", "seen", "owner")
    list_display_links = ("record",)
    list_filter = (StandingFilter, "job", "kind", "owner")
    list_filter_sheet = False
    list_select_related = ("job",)
    search_fields = ("=key", "=trace")
    search_help_text = "The whole key, or what leads to the call"
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 100
    actions = ("accept_selected", "dispute_selected", "open_selected")

    def get_urls(self) -> list[URLPattern]:
        """This will put the buttons beside the admin's pages."""
        wrap = self.admin_site.admin_view
        acts = {"answer": self.answer, "assign": self.assign, "undo": self.undo}
        own = [
            path(f"<int:number>/{name}/", wrap(require_POST(act)), name=f"reconciliation_variance_{name}")
            for name, act in acts.items()
        ]
        return own + super().get_urls()

    def page_context(self, request: HttpRequest, row: Variance) -> dict[str, object]:
        """This will give both sides beside each other, the repairs and the history."""
        events = list(audit.events_for(str(row.pk)).filter(subject_type="variance").order_by("-id")[:_EVENTS])
        repairs = list(queries.repairs_of(row))
        state = VarianceState(row.state)
        return {
            "title": f"{row.job.name}: {row.shown_key}",
            "variance": row,
            "sides": _sides(row, names=reports.names_of(queries.spec_of(queries.latest_version(row.job)))),
            "repairs": repairs,
            "events": events,
            "names": names_of([event.actor for event in events]),
            "behind": queries.behind([row])[row.pk],
            "repair_calls": _calls(repairs),
            "answers": [wanted.value for wanted in sorted(ANSWERS) if may_answer(state, wanted)],
            "may_act": may(request, "change_variance"),
            "may_undo": state is VarianceState.REPAIRED and any(one.state == RepairState.DONE for one in repairs),
        }

    def has_answer_permission(self, request: HttpRequest) -> bool:
        """This will tell who may use the actions."""
        return may(request, "change_variance")

    @display(description="Key")
    def record(self, row: Variance) -> str:
        """This will show the key."""
        return row.shown_key

    @display(description="What")
    def what(self, row: Variance) -> str:
        """This will say what differs."""
        return f"{row.kind.replace('_', ' ')} {', '.join(row.fields)}".strip()

    @display(description="State", label=_LABELS)
    def status(self, row: Variance) -> str:
        """This will show where it stands."""
        return row.state

    @display(description="Amount")
    def worth(self, row: Variance) -> str:
        """This will show how much money it is about."""
        return "" if row.amount is None else f"{row.amount.normalize():,f}"

    @admin.action(description="Accept: may stay as it is", permissions=["answer"])
    def accept_selected(self, request: HttpRequest, queryset: QuerySet[Variance]) -> None:
        """This will accept the selected variances."""
        _answer(request, list(queryset.values_list("id", flat=True)), wanted=VarianceState.ACCEPTED)

    @admin.action(description="Dispute: somebody talks to the other side", permissions=["answer"])
    def dispute_selected(self, request: HttpRequest, queryset: QuerySet[Variance]) -> None:
        """This will dispute the selected variances."""
        _answer(request, list(queryset.values_list("id", flat=True)), wanted=VarianceState.DISPUTED)

    @admin.action(description="Open again", permissions=["answer"])
    def open_selected(self, request: HttpRequest, queryset: QuerySet[Variance]) -> None:
        """This will open the selected variances again."""
        _answer(request, list(queryset.values_list("id", flat=True)), wanted=VarianceState.OPEN)

    def answer(self, request: HttpRequest, number: int) -> HttpResponse:
        """This will move one variance, with a note."""
        require(request, "change_variance")
        wanted = request.POST.get("state", "")
        if wanted not in {state.value for state in ANSWERS}:
            messages.error(request, f"{wanted!r} is no answer: accept, dispute, or open it again.")
        else:
            _answer(request, [number], wanted=VarianceState(wanted), note=request.POST.get("note", ""))
        return _back(number)

    def assign(self, request: HttpRequest, number: int) -> HttpResponse:
        """This will say who looks after one variance."""
        require(request, "change_variance")
        owner = request.POST.get("owner", "").strip()[:150]
        operations.assign(ids=[number], owner=owner, actor=actor_of(request), now=timezone.now())
        return _back(number)

    def undo(self, request: HttpRequest, number: int) -> HttpResponse:
        """This will undo the latest repair of one variance."""
        require(request, "change_variance")
        try:
            operations.undo_repair(
                variance_id=number, actor=actor_of(request), now=timezone.now(), reason="in the admin"
            )
            messages.success(request, "The repair is being undone; the variance is disputed now.")
        except (ReconciliationError, WorkflowError) as error:
            messages.error(request, str(error))
        return _back(number)


def _answer(request: HttpRequest, ids: Sequence[int], *, wanted: VarianceState, note: str = "") -> None:
    told = operations.answer(ids=ids, wanted=wanted, note=note, actor=actor_of(request), now=timezone.now())
    if told.changed:
        messages.success(request, f"{len(told.changed)} now {wanted}.")
    for number, why in list(told.refused.items())[:5]:
        messages.warning(request, f"Variance {number} stays: {why}.")


def _calls(repairs: Sequence[Repair]) -> list[tuple[str, queries.CallRow]]:
    """Each call of a repair with its rule."""
    found = queries.calls_of(repairs)
    return [(one.rule, call) for one in repairs if one.run_id is not None for call in found.get(one.run_id, ())]


def _sides(row: Variance, *, names: Sequence[str]) -> list[tuple[str, object, object, bool]]:
    left, right = row.left or {}, row.right or {}
    both = reports.ordered({**left, **right}, names=names)
    return [(name, left.get(name), right.get(name), name in row.fields) for name, _ in both]


def _back(number: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:reconciliation_variance_change", args=(number,)))
