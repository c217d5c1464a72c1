"""The inbox in the admin: what waits for whoever looks, what they see, and their answers, which are operations."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from audit import queries as audit
from workflows import answer_form, human_queries, human_rights, operations
from workflows.admin.filters import InboxFilter
from workflows.admin.pages import ReadingAdmin, actor_of, is_allowed, names_of
from workflows.admin.paging import CappedPaginator
from workflows.answer_form import AnswerForm
from workflows.core.voting import Choice, RequestKind, RequestState
from workflows.errors import WorkflowError
from workflows.human_errors import AnswerInvalid
from workflows.human_rights import Person, person_of
from workflows.models import HumanRequest
from workflows.templatetags.workflow_display import roughly

_SHOWN = 20
_EVENTS = 100


@admin.register(HumanRequest)
class InboxAdmin(ReadingAdmin):
    """What waits for the user first; whoever may look at runs may look at everything that was asked."""

    empty_text = "Nothing waits for you."
    page_template = "workflows/request.html"
    paginator = CappedPaginator
    chips = ("show", (("", "waiting for me"), ("mine", "all of mine"), ("open", "open"), ("all", "all")))
    list_before_template = "workflows/list_chips.html"  # type: ignore[assignment]  # unfold types it None
    list_display = ("what", "status", "where", "asked", "ends", "opened")
    list_display_links = ("what",)
    list_filter = (InboxFilter,)
    list_filter_sheet = False
    sortable_by = ()
    list_per_page = 50

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002  Django's signature
        """This will allow everybody: the list and the pages show what concerns the user."""
        return request.user.is_active and request.user.is_staff

    def has_module_permission(self, request: HttpRequest) -> bool:
        """This will allow everybody."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[HumanRequest]:
        """This will give what the user may see."""
        if is_allowed(request, "view_run"):
            return HumanRequest.objects.all()
        return human_queries.concerning(person_of(request.user)).order_by()

    def get_ordering(self, request: HttpRequest) -> Any:  # Any: Django's types know no expressions here
        """This will put what ends first at the top where something waits, else the newest."""
        return ("-id",) if request.GET.get("show") in ("mine", "all") else human_queries.DUE_FIRST

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """This will read one page, and tell its rows the time."""
        page: ChangeList = super().get_changelist_instance(request)
        for row in page.result_list:
            row.now = timezone.now()
        return page

    def get_urls(self) -> list[URLPattern]:
        """This will put the buttons beside the admin's pages."""
        wrap = self.admin_site.admin_view
        decide, delegate = wrap(require_POST(self.decide)), wrap(require_POST(self.delegate))
        take, give_back = wrap(require_POST(self.take)), wrap(require_POST(self.give_back))
        return [
            path("<int:request_id>/claim/", take, name="workflows_humanrequest_claim"),
            path("<int:request_id>/unclaim/", give_back, name="workflows_humanrequest_unclaim"),
            path("<int:request_id>/decide/", decide, name="workflows_humanrequest_decide"),
            path("<int:request_id>/delegate/", delegate, name="workflows_humanrequest_delegate"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: HumanRequest) -> dict[str, object]:
        """This will give a request with all that people see, the answers, and the form if it is the user's turn."""
        person = person_of(request.user)
        if not self._may_see(request, row=row, person=person):
            raise PermissionDenied
        return self._context(row, person=person, form=answer_form.empty(row.form))

    def decide(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """This will count the user's answer, or show the form again with what is wrong with it."""
        row = self.find_row(str(request_id))
        person = person_of(request.user)
        if not self._may_see(request, row=row, person=person):
            raise PermissionDenied
        values = {key: str(value) for key, value in request.POST.items()}
        back = HttpResponseRedirect(reverse("admin:workflows_humanrequest_change", args=(request_id,)))
        try:
            choice = answer_form.chosen(RequestKind(row.kind), values=values)
            given = operations.Answer(
                choice=choice,
                comment=values.get("comment", ""),
                form=None if choice is Choice.REJECT else answer_form.read(row.form, values=values),
                via="admin",
            )
            after, is_new = operations.answer(
                request_id=request_id, person=person, given=given, actor=actor_of(request), now=timezone.now()
            )
        except AnswerInvalid as error:
            form = answer_form.typed(row.form, values=values, error=error)
            context = self._context(row, person=person, form=form)
            return self.render(request, self.page_template, context, status=422)
        except WorkflowError as error:
            messages.warning(request, f"Nothing was changed: {error}.")
            return back
        if is_new:
            told = "It waits for others." if after.state == RequestState.OPEN else f"It is {after.state}."
            messages.success(request, f"Your answer counts. {told}")
        return back

    def delegate(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """This will hand the user's say to somebody else, or say why that cannot be."""
        row = self.find_row(str(request_id))
        person = person_of(request.user)
        if not self._may_see(request, row=row, person=person):
            raise PermissionDenied
        try:
            taker = human_rights.get_person(request.POST.get("to", "").strip())
            given = operations.Handover(taker=taker, reason=request.POST.get("reason", ""), via="admin")
            operations.delegate(
                request_id=request_id, giver=person, given=given, actor=actor_of(request), now=timezone.now()
            )
        except WorkflowError as error:
            messages.warning(request, f"Nothing was changed: {error}.")
        else:
            messages.success(request, f"{taker.name} has your say now.")
        return HttpResponseRedirect(reverse("admin:workflows_humanrequest_change", args=(request_id,)))

    def take(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """This will have the user take a task."""
        return self._move(request, request_id, by=operations.claim, told="It is yours now.")

    def give_back(self, request: HttpRequest, request_id: int) -> HttpResponse:
        """This will have the user give a task back."""
        return self._move(request, request_id, by=operations.unclaim, told="It is everybody's again.")

    def _move(self, request: HttpRequest, request_id: int, *, by: Callable[..., object], told: str) -> HttpResponse:
        person = person_of(request.user)
        if not self._may_see(request, row=self.find_row(str(request_id)), person=person):
            raise PermissionDenied
        try:
            by(request_id=request_id, person=person, actor=actor_of(request), now=timezone.now())
        except WorkflowError as error:
            messages.warning(request, f"Nothing was changed: {error}.")
        else:
            messages.success(request, told)
        return HttpResponseRedirect(reverse("admin:workflows_humanrequest_change", args=(request_id,)))

    def _may_see(self, request: HttpRequest, *, row: HumanRequest, person: Person) -> bool:
        return is_allowed(request, "view_run") or human_queries.concerning(person).filter(id=row.id).exists()

    def _context(self, row: HumanRequest, *, person: Person, form: AnswerForm) -> dict[str, object]:
        answers = human_queries.answers_of(row)
        is_open = row.state == RequestState.OPEN
        has_answered = any(answer.person == person.id for answer in answers)
        delegations = human_rights.delegations_of(row)
        terms = human_queries.asking_of(row)
        may_answer = is_open and not has_answered and human_rights.may_answer(row, person=person)
        is_taken = row.claimed_by not in ("", person.id) and human_rights.claimer_of(row) != ""
        columns, rows = answer_form.table_of(row.show)
        trail = audit.events_for(str(row.run_id)).filter(payload__contains=f'"request":{row.id},')
        events = list(trail.reverse()[:_EVENTS])
        return {
            "title": row.title,
            "asked": human_queries.asked(row, limit=_SHOWN),
            "row": row,
            "form": form,
            "answers": answers,
            "layout": answer_form.shown_as(row.show),
            "columns": columns,
            "table": rows,
            "now": timezone.now(),
            "is_open": is_open,
            "has_answered": has_answered,
            "may_answer": may_answer and not is_taken,
            "is_taken": is_taken,
            "has_claimed": row.claimed_by == person.id,
            "may_delegate": may_answer and terms.allows_delegation,
            "delegations": delegations,
            "has_handed_over": any(one.giver == person.id for one in delegations),
            "is_starter": person.id in row.starters,
            "events": events,
            "names": names_of({event.actor for event in events}),
        }

    @admin.display(description="What")
    def what(self, row: HumanRequest) -> SafeString:
        """This will show what is asked, and its number."""
        return format_html(
            '<span class="ae-incident"><strong>{}</strong><span>{} {}</span></span>', row.title, row.kind, row.id
        )

    @admin.display(description="State")
    def status(self, row: HumanRequest) -> SafeString:
        """This will show the state as a badge."""
        return badge_of(row)

    @admin.display(description="Workflow · step")
    def where(self, row: HumanRequest) -> str:
        """This will show where it is asked."""
        item = "" if row.index is None else f"[{row.index}]"
        return f"{row.workflow_name} · {row.step}{item}"

    @admin.display(description="Asked are")
    def asked(self, row: HumanRequest) -> str:
        """This will show who is asked, or who has taken it."""
        return f"{row.claimed_name} has it" if row.claimed_name else human_queries.people_text(row)

    @admin.display(description="Until")
    def ends(self, row: Any) -> SafeString:  # Any: the row with what the list has read for it
        """This will show how much time is left."""
        ends = [at for at in (row.due_at, row.expires_at) if at is not None]
        if not ends or row.state != RequestState.OPEN:
            return format_html('<span class="ae-quiet">{}</span>', "any time" if row.state == "open" else "")
        is_close = (min(ends) - row.now).total_seconds() < 24 * 3600
        late = "overdue" if row.due_at == min(ends) else "is over"
        told = f"in {roughly(row.now, min(ends))}" if min(ends) > row.now else late
        return format_html('<span class="ae-nowrap {}">{}</span>', "ae-late" if is_close else "", told)

    @admin.display(description="Since")
    def opened(self, row: Any) -> str:  # Any: the row with what the list has read for it
        """This will show how long it has been asked."""
        return f"{roughly(row.opened_at, row.now)} ago"


def badge_of(row: HumanRequest) -> SafeString:
    """This will show the state of a request; one that is open is nothing bad."""
    state = "asked" if row.state == RequestState.OPEN else row.state
    return render_to_string("workflows/badge.html", {"state": state, "label": row.state})
