"""The page of a release in the admin: looked at by whoever may look, changed by whoever may change the workflow."""

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.support import admin_pages
from workflows import releases
from workflows.models import Release, Workflow, WorkflowVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def version() -> WorkflowVersion:
    """This will be a published workflow."""
    return admin_pages.published()


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def page(version: WorkflowVersion) -> str:
    """This will be the address of the workflow's release."""
    return reverse("admin:workflows_workflow_release", args=(version.workflow_id,))


def publish_next(browser: Client, version: WorkflowVersion, **form: object) -> HttpResponse:
    """This will publish another version in the editor."""
    source = version.source.replace("done: true", "done: false")
    path = reverse("admin:workflows_workflow_edit", args=(version.workflow_id,))
    return browser.post(path, {"source": source, **form})


def current(version: WorkflowVersion) -> Release:
    """This will be the release that is in use."""
    found = releases.find_current(Workflow.objects.get(id=version.workflow_id))
    assert found is not None
    return found


def test_editor_publishes_for_a_share_and_the_page_shows_both(browser: Client, version: WorkflowVersion) -> None:
    admin_pages.started(version)

    publish_next(browser, version, percent="12,5", failed_percent="20", after_runs="10")

    assert (current(version).canary_percent, current(version).after_runs) == (12.5, 10)
    text = browser.get(page(version)).content.decode()
    assert "12.5 % of the starts get v2, the others v1." in text
    assert "Promote v2" in text
    listed = browser.get(reverse("admin:workflows_workflow_changelist"), {"q": version.workflow.name}).content.decode()
    assert "v1, canary v2 12.5 %" in listed


def test_share_is_changed_promoted_and_taken_back(browser: Client, version: WorkflowVersion) -> None:
    publish_next(browser, version, percent="10")

    browser.post(page(version), {"verb": "canary", "version": "2", "percent": "30"})
    assert current(version).canary_percent == 30
    browser.post(page(version), {"verb": "rollback", "reason": "too slow"})
    assert (current(version).canary, current(version).reason) == (None, "too slow")
    browser.post(page(version), {"verb": "promote", "version": "2"})
    assert current(version).version.number == 2
    assert "too slow" in browser.get(page(version)).content.decode()


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"verb": "canary", "version": "2", "percent": "many"}, "must be a number, not &#x27;many&#x27;"),
        ({"verb": "canary", "version": "2", "percent": ""}, "percent is missing"),
        ({"verb": "canary", "version": "2", "percent": "10", "after_runs": "5"}, "failed_percent is missing"),
        ({"verb": "canary", "version": "2", "percent": "nan"}, "must be a number"),
        ({"verb": "promote", "version": "9"}, "and no 9"),
    ],
)
def test_what_is_wrong_is_said_on_the_page(
    browser: Client, version: WorkflowVersion, form: dict[str, str], told: str
) -> None:
    publish_next(browser, version, percent="10")

    answer = browser.post(page(version), form)

    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert current(version).canary_percent == 10


def test_wrong_share_publishes_nothing(browser: Client, version: WorkflowVersion) -> None:
    answer = publish_next(browser, version, percent="120")

    assert answer.status_code == 422
    assert "must be 0 to 100, not 120" in answer.content.decode()
    assert Workflow.objects.get(id=version.workflow_id).latest_number == 1


def test_page_is_refused_to_whoever_may_not(browser: Client, version: WorkflowVersion) -> None:
    publish_next(browser, version, percent="10")
    reader = admin_pages.browser(admin_pages.user("view_workflow"))
    stranger = admin_pages.browser(admin_pages.user())

    assert stranger.get(page(version)).status_code == 403
    assert "Promote" not in reader.get(page(version)).content.decode()
    assert reader.post(page(version), {"verb": "rollback"}).status_code == 403
    assert current(version).canary is not None
