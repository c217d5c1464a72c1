"""Jobs in the admin: published as text, compared by a button, rules put in force after they were shown."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST
from unfold.decorators import display

from reconciliation import operations, queries, reports
from reconciliation.admin.pages import ReconciliationAdmin, may, require
from reconciliation.errors import JobInvalid, ReconciliationError
from reconciliation.models import Comparison, Job
from workflows.admin.pages import actor_of
from workflows.errors import WorkflowError

_LISTED = 20
TEMPLATE = """\
name: my-job
description: What must agree, in one sentence.
left:
  name: orders
  file: {path: "orders.csv"}
right:
  name: payments
  file: {path: "payments-${{ day }}.jsonl"}
key: order_id
fields:
  amount: {compare: money, currency: EUR}
amount: amount
rules: []
schedule: {cron: "0 6 * * *", timezone: UTC}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleLine:
    """A rule as the page of a job shows it; `numbers` is what the latest comparison made of it."""

    name: str
    right: str
    repairs: bool
    is_in_force: bool
    numbers: dict[str, int]


@admin.register(Job)
class JobAdmin(ReconciliationAdmin):
    """The list with what stands open, the page of each, and an editor."""

    page_template = "reconciliation/job.html"
    list_display = ("name", "status", "latest", "standing", "description")
    search_fields = ("name",)
    ordering = ("name",)
    sortable_by = ()

    def get_urls(self) -> list[URLPattern]:
        """This will put the editor and the buttons beside the admin's pages."""
        wrap = self.admin_site.admin_view
        acts = {"compare": self.compare, "enable": self.enable, "force": self.force}
        own = [
            path("add/", wrap(self.edit), name="reconciliation_job_add"),
            path("<int:number>/edit/", wrap(self.edit), name="reconciliation_job_edit"),
            *(
                path(f"<int:number>/{name}/", wrap(require_POST(act)), name=f"reconciliation_job_{name}")
                for name, act in acts.items()
            ),
        ]
        return own + super().get_urls()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """This will allow it to who may publish jobs."""
        return may(request, "add_jobversion")

    def page_context(self, request: HttpRequest, row: Job) -> dict[str, object]:
        """This will give what a job says, what it came to, and what rules would do."""
        version = queries.latest_version(row)
        spec = queries.spec_of(version)
        latest = queries.comparisons(job=row).first()
        in_force = queries.rules_in_force(row)
        numbers = {} if latest is None else latest.plan.get("rules", {})
        return {
            "title": row.name,
            "job": row,
            "version": version,
            "spec": spec,
            "bars": reports.bars(queries.trend(row)),
            "comparisons": queries.comparisons(job=row)[:_LISTED],
            "rules": [
                RuleLine(
                    name=one.rule.name,
                    right=", ".join(f"{name}: {side}" for name, side in one.rule.right_of.items()) or one.rule.right,
                    repairs=one.step is not None,
                    is_in_force=in_force.get(one.rule.name) == one.digest,
                    numbers=numbers.get(one.rule.name, {}),
                )
                for one in spec.rules
            ],
            "may_act": may(request, "add_comparison"),
            "may_publish": may(request, "add_jobversion"),
        }

    @display(description="State", label={"on": "success", "off": "warning"})
    def status(self, row: Job) -> str:
        """This will show whether it is compared at all."""
        return "on" if row.is_enabled else "off"

    @display(description="Latest comparison")
    def latest(self, row: Job) -> str:
        """This will show when it was compared last."""
        found = self._latest(row)
        return "never" if found is None else f"{found.started_at:%Y-%m-%d %H:%M} {found.state}"

    @display(description="Stand open")
    def standing(self, row: Job) -> str:
        """This will show how many variances stood open then."""
        found = self._latest(row)
        return "" if found is None else str(found.standing)

    def edit(self, request: HttpRequest, number: int | None = None) -> HttpResponse:
        """This will show the editor, or publish what was written in it."""
        require(request, "add_jobversion")
        job = None if number is None else self.find_row(str(number))
        if request.method != "POST":
            source = TEMPLATE if job is None else queries.latest_version(job).source
            return self._editor(request, job, source=source)
        source = request.POST.get("source", "").replace("\r\n", "\n")
        try:
            version, is_new = operations.publish(source=source, actor=actor_of(request), now=timezone.now())
        except JobInvalid as error:
            return self._editor(request, job, source=source, problems=error.problems, status=422)
        told = f"Published {version}." if is_new else f"Nothing to publish: {version} has the same content."
        messages.success(request, told)
        return _back(version.job_id)

    def compare(self, request: HttpRequest, number: int) -> HttpResponse:
        """This will have workers compare."""
        require(request, "add_comparison")
        job = self.find_row(str(number))
        is_dry_run = request.POST.get("dry_run") == "yes"
        try:
            started = operations.start(
                name=job.name, is_dry_run=is_dry_run, actor=actor_of(request), now=timezone.now()
            )
            messages.success(request, f"Run {started.run_id} compares now.")
        except (ReconciliationError, WorkflowError) as error:
            messages.error(request, str(error))
        return _back(number)

    def enable(self, request: HttpRequest, number: int) -> HttpResponse:
        """This will switch a job on or off."""
        require(request, "add_jobversion")
        job = self.find_row(str(number))
        is_enabled = request.POST.get("is_enabled") == "yes"
        operations.set_enabled(name=job.name, is_enabled=is_enabled, actor=actor_of(request), now=timezone.now())
        return _back(number)

    def force(self, request: HttpRequest, number: int) -> HttpResponse:
        """This will let a rule act."""
        require(request, "add_jobversion")
        job = self.find_row(str(number))
        rule = request.POST.get("rule", "")
        try:
            operations.put_in_force(name=job.name, rule=rule, actor=actor_of(request), now=timezone.now())
            messages.success(request, f"{rule} repairs from the next comparison on.")
        except ReconciliationError as error:
            messages.error(request, str(error))
        return _back(number)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """This will read one page, and the latest comparison of each of its jobs in one statement."""
        page: ChangeList = super().get_changelist_instance(request)
        latest = queries.latest_comparisons([row.pk for row in page.result_list])
        for row in page.result_list:
            row.latest_comparison = latest.get(row.pk)
        return page

    def _latest(self, row: Job) -> Comparison | None:
        found: Comparison | None = getattr(row, "latest_comparison", None)
        return found

    def _editor(
        self,
        request: HttpRequest,
        job: Job | None,
        *,
        source: str,
        problems: Any = (),  # Any: a template's list
        status: int = 200,
    ) -> HttpResponse:
        if not may(request, "add_jobversion"):
            raise PermissionDenied
        context = {
            "title": "New job" if job is None else f"New version of {job.name}",
            "job": job,
            "source": source,
            "problems": problems,
            "rows": min(max(source.count("\n") + 3, 22), 40),
        }
        return self.render(request, "reconciliation/editor.html", context, status=status)


def _back(number: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:reconciliation_job_change", args=(number,)))
