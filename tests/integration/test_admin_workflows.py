"""Workflows in the admin: looked at, published, switched and started, each only by who may."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from tests.support import admin_pages
from tests.support.admin_pages import NASTY
from workflows.models import Run, Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> WorkflowVersion:
    """This will be a published workflow."""
    return admin_pages.published()


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def page(name: str, *args: object) -> str:
    """This will be the address of one of the engine's pages."""
    return reverse(f"admin:workflows_{name}", args=args)


def test_list_shows_version_in_use_and_runs_by_state(browser: Client, version: WorkflowVersion) -> None:
    admin_pages.failed(version)
    admin_pages.started(version)

    text = browser.get(page("workflow_changelist"), {"q": version.workflow.name}).content.decode()

    assert "v1" in text
    assert "1 running" in text
    assert "1 failed" in text


def test_page_shows_graph_versions_and_runs(browser: Client, version: WorkflowVersion) -> None:
    run_id = admin_pages.started(version)

    text = browser.get(page("workflow_change", version.workflow_id)).content.decode()

    assert 'class="ae-graph"' in text
    assert version.content_hash[:10] in text
    assert str(run_id) in text
    assert "Start run" in text


def test_page_escapes_a_nasty_description(browser: Client) -> None:
    version = admin_pages.published(description=f"'{NASTY.replace(chr(39), chr(39) * 2)}'")

    text = browser.get(page("workflow_change", version.workflow_id)).content.decode()

    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_version_page_shows_the_source_by_line(browser: Client, version: WorkflowVersion) -> None:
    text = browser.get(page("workflow_version", version.workflow_id, 1)).content.decode()

    assert "<li><code>steps:</code></li>" in text
    assert browser.get(page("workflow_version", version.workflow_id, 9)).status_code == 404


def test_editor_publishes_a_new_version(browser: Client, version: WorkflowVersion) -> None:
    source = version.source.replace("A test.", "A better test.").replace("\n", "\r\n")

    answer = browser.post(page("workflow_edit", version.workflow_id), {"source": source}, follow=True)

    assert "Published" in answer.content.decode()
    newest = WorkflowVersion.objects.get(workflow_id=version.workflow_id, number=2)
    assert "\r" not in newest.source
    assert newest.published_by.startswith("user:")


def test_editor_says_so_when_nothing_has_changed(browser: Client, version: WorkflowVersion) -> None:
    answer = browser.post(page("workflow_edit", version.workflow_id), {"source": version.source}, follow=True)

    assert "Nothing to publish" in answer.content.decode()
    assert WorkflowVersion.objects.filter(workflow_id=version.workflow_id).count() == 1


def test_editor_begins_a_new_workflow(browser: Client) -> None:
    name = f"test-{uuid4().hex[:10]}"
    assert "my-workflow" in browser.get(page("workflow_add")).content.decode()

    browser.post(page("workflow_add"), {"source": admin_pages.source(name)})

    assert Workflow.objects.get(name=name).latest_number == 1


def test_editor_keeps_the_text_and_names_the_line_of_each_problem(browser: Client, version: WorkflowVersion) -> None:
    source = version.source.replace("needs: check", "needs: chek") + f"# {NASTY}\n"

    answer = browser.post(page("workflow_edit", version.workflow_id), {"source": source})

    text = answer.content.decode()
    line = source.split("\n").index("    needs: chek") + 1
    assert answer.status_code == 422
    assert f'data-line="{line}"' in text
    assert "needs: chek" in text
    assert "<script>alert" not in text
    assert WorkflowVersion.objects.filter(workflow_id=version.workflow_id).count() == 1


def test_check_gives_problems_with_lines_and_otherwise_the_graph(browser: Client, version: WorkflowVersion) -> None:
    wrong = browser.post(page("workflow_check"), {"source": version.source.replace("needs: each", "needs: eech")})
    right = browser.post(page("workflow_check"), {"source": version.source})

    problem = wrong.json()["problems"][0]
    assert (problem["path"], problem["hint"]) == ("$.steps.close.needs", "did you mean 'each'?")
    assert problem["line"] == version.source.split("\n").index("    needs: each") + 1
    assert right.json()["problems"] == []
    assert right.json()["graph"].startswith("<svg")
    assert right.json()["steps"] == 3


def test_start_form_suggests_an_input_and_starts_a_run_once(browser: Client, version: WorkflowVersion) -> None:
    form = browser.get(page("workflow_start", version.workflow_id)).context["form"]
    assert '"note": "none"' in form["input"]

    form["input"] = '{"amount": 5}'
    first = browser.post(page("workflow_start", version.workflow_id), form)
    second = browser.post(page("workflow_start", version.workflow_id), form)

    run = Run.objects.get(workflow_name=version.workflow.name)
    assert first["Location"] == second["Location"] == page("run_change", run.id)
    assert run.input == {"amount": 5}
    assert run.started_by.startswith("user:")


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"input": '{"amount": 0}'}, "$.amount"),
        ({"input": '{"amount": '}, "$"),
        ({"input": '{"amount": 1}', "priority": "high"}, "priority"),
    ],
)
def test_start_form_names_the_place_of_what_is_wrong(
    browser: Client, version: WorkflowVersion, given: dict[str, str], path: str
) -> None:
    answer = browser.post(page("workflow_start", version.workflow_id), given)

    assert answer.status_code == 422
    assert f"<code>{path}</code>" in answer.content.decode()
    assert answer.context["form"]["input"] == given["input"]
    assert not Run.objects.filter(workflow_name=version.workflow.name).exists()


def test_start_form_refuses_another_input_under_the_same_key(browser: Client, version: WorkflowVersion) -> None:
    form = {"input": '{"amount": 1}', "key": str(uuid4())}
    browser.post(page("workflow_start", version.workflow_id), form)

    answer = browser.post(page("workflow_start", version.workflow_id), {**form, "input": '{"amount": 2}'})

    assert answer.status_code == 409
    assert answer.context["form"]["key"] != form["key"]
    assert Run.objects.filter(workflow_name=version.workflow.name).count() == 1


def test_switch_disables_and_enables(browser: Client, version: WorkflowVersion) -> None:
    url = page("workflow_switch", version.workflow_id)
    assert browser.get(url).status_code == 405

    browser.post(url, {"enabled": "no"})
    refused = browser.post(page("workflow_start", version.workflow_id), {"input": '{"amount": 1}'})
    browser.post(url, {"enabled": "yes"})

    assert refused.status_code == 409
    assert "is disabled" in refused.content.decode()
    assert Workflow.objects.get(id=version.workflow_id).is_enabled


def test_who_may_only_look_can_change_nothing(version: WorkflowVersion) -> None:
    browser = admin_pages.browser(admin_pages.user("view_workflow", "view_run"))

    text = browser.get(page("workflow_change", version.workflow_id)).content.decode()

    assert "Start run" not in text
    assert "Disable" not in text
    for name in ("workflow_edit", "workflow_start", "workflow_switch"):
        assert browser.post(page(name, version.workflow_id), {}).status_code == 403
    assert browser.post(page("workflow_check"), {}).status_code == 403
    assert browser.get(page("workflow_add")).status_code == 403


def test_who_may_not_look_sees_nothing(version: WorkflowVersion) -> None:
    browser = admin_pages.browser(admin_pages.user())

    assert browser.get(page("workflow_change", version.workflow_id)).status_code == 403
    assert browser.get(page("workflow_version", version.workflow_id, 1)).status_code == 403
    assert browser.get(page("run_live", admin_pages.started(version))).status_code == 403


def test_nobody_can_delete_or_edit_a_workflow(browser: Client, version: WorkflowVersion) -> None:
    assert browser.post(page("workflow_delete", version.workflow_id), {"post": "yes"}).status_code == 403
    browser.post(page("workflow_change", version.workflow_id), {"name": "other", "latest_number": 7})

    assert Workflow.objects.get(id=version.workflow_id).latest_number == 1


def test_changes_need_the_token_of_the_form(version: WorkflowVersion) -> None:
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))
    browser.handler.enforce_csrf_checks = True

    assert browser.post(page("workflow_switch", version.workflow_id), {"enabled": "no"}).status_code == 403
    assert Workflow.objects.get(id=version.workflow_id).is_enabled
