"""Pauses in the admin: a form, buttons on the pages of runs and workflows, a list to resume."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.flows.driving import TESTER, begin, call
from tests.support.admin_pages import browser, user
from workflows import operations
from workflows.core.pausing import PauseScope
from workflows.models import Pause, Run, Workflow

STEPS = {"only": call("noop")}


@pytest.fixture(autouse=True)
def clean_up(database: None) -> Iterator[None]:
    """This will leave nothing paused."""
    yield
    for row in Pause.objects.all():
        operations.resume(scope=PauseScope(row.scope), name=row.name, actor=TESTER, now=timezone.now())


def test_run_is_paused_and_resumed_by_the_buttons_of_its_page() -> None:
    run_id = begin(STEPS)
    page = reverse("admin:workflows_run_change", args=(run_id,))
    staff = browser(user("view_run", "change_run"))
    form = {"scope": "run", "name": str(run_id), "next": page}

    paused = staff.post(reverse("admin:workflows_pause_switch"), {**form, "verb": "pause", "reason": "look <first>"})
    shown = staff.get(page).content.decode()
    staff.post(reverse("admin:workflows_pause_switch"), {**form, "verb": "resume"})

    assert (paused.status_code, paused["Location"]) == (302, page)
    assert "look &lt;first&gt;" in shown
    assert "is paused with the run" in shown
    assert ">Resume</button>" in shown
    assert not Pause.objects.exists()


def test_workflow_page_has_the_button_and_the_banner() -> None:
    workflow = Workflow.objects.get(name=Run.objects.get(id=begin(STEPS)).workflow_name)
    page = reverse("admin:workflows_workflow_change", args=(workflow.id,))
    staff = browser(user("view_workflow", "change_workflow"))
    form = {"scope": "workflow", "name": workflow.name, "next": page, "reason": "a test", "starts_only": "yes"}

    before = staff.get(page).content.decode()
    staff.post(reverse("admin:workflows_pause_switch"), form)
    after = staff.get(page).content.decode()

    assert "new runs only" in before
    assert "only runs that begin from then on" in after
    assert Pause.objects.get().starts_only


def test_whoever_may_not_is_refused_and_sees_no_button() -> None:
    run_id = begin(STEPS)
    reader = browser(user("view_run"))

    shown = reader.get(reverse("admin:workflows_run_change", args=(run_id,))).content.decode()
    answer = reader.post(
        reverse("admin:workflows_pause_switch"), {"scope": "run", "name": str(run_id), "reason": "a test"}
    )

    assert "Reason for pausing" not in shown
    assert answer.status_code == 403
    assert not Pause.objects.exists()


def test_form_refuses_at_the_field_what_cannot_be_paused() -> None:
    staff = browser(user("add_pause", "view_pause"))
    add = reverse("admin:workflows_pause_add")

    wrong = staff.post(add, {"scope": "lane", "name": "fast", "reason": "a test"}).content.decode()
    made = staff.post(add, {"scope": "lane", "name": "bulk", "reason": "a test"})

    assert "is no lane" in wrong
    assert made.status_code == 302
    assert str(Pause.objects.get()) == "lane bulk"


def test_list_resumes_what_is_selected() -> None:
    wanted = operations.PauseWanted(scope=PauseScope.LANE, name="bulk", reason="a test")
    row, _ = operations.pause(wanted, actor=TESTER, now=timezone.now())
    staff = browser(user("add_pause", "view_pause"))
    page = reverse("admin:workflows_pause_changelist")

    listed = staff.get(page).content.decode()
    staff.post(page, {"action": "resume_selected", "_selected_action": [row.pk]})

    assert "lane bulk" in listed
    assert not Pause.objects.exists()


def test_button_never_leads_to_another_site() -> None:
    staff = browser(user("add_pause", "view_pause"))

    answer = staff.post(
        reverse("admin:workflows_pause_switch"),
        {"scope": "lane", "name": "bulk", "reason": "a test", "next": "https://elsewhere.example/"},
    )

    assert answer["Location"] == reverse("admin:workflows_pause_changelist")
