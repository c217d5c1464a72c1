"""Runs and dead letters in the admin: everything is shown, nothing becomes markup, few queries are needed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config import dashboard
from tests.support import admin_pages
from workflows import overview, timeline
from workflows.admin import paging
from workflows.admin.paging import CappedPaginator
from workflows.models import DeadLetter, Item, Run, WorkflowVersion
from workflows.overview import Hour, Tally

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


def test_login_without_a_page_in_mind_leads_to_the_dashboard() -> None:
    user = admin_pages.user(is_superuser=True)
    user.set_password("correct horse")
    user.save()

    answer = Client().post(reverse("admin:login"), {"username": user.get_username(), "password": "correct horse"})

    assert (answer.status_code, answer["Location"]) == (302, reverse("admin:index"))


def test_page_of_a_running_run_says_what_it_waits_for(browser: Client, version: WorkflowVersion) -> None:
    run_id = admin_pages.in_the_middle(version)

    text = browser.get(page("run_change", run_id)).content.decode()

    assert "1 of 3 items have ended; 1 of 1 pullers at work" in text
    assert 'data-ended="no"' in text
    assert "Cancel run" in text
    assert "run started" in text


def test_page_of_a_new_run_names_the_lane(browser: Client, version: WorkflowVersion) -> None:
    text = browser.get(page("run_change", admin_pages.started(version))).content.decode()

    assert "waits for a worker of lane default" in text


def test_pages_escape_what_runs_bring(browser: Client, version: WorkflowVersion) -> None:
    letter = admin_pages.failed(version)
    addresses = [
        page("run_change", admin_pages.in_the_middle(version)),
        page("run_live", letter.run_id),
        page("run_change", letter.run_id),
        page("deadletter_change", letter.id),
        page("deadletter_changelist"),
        reverse("admin:index"),
    ]

    for address in addresses:
        text = browser.get(address).content.decode()
        assert "<script>alert" not in text, address
        assert "<img src=x" not in text, address
        assert "&lt;script&gt;alert" in text, address


def test_pages_of_the_engine_have_no_inline_code_of_their_own(browser: Client, version: WorkflowVersion) -> None:
    text = browser.get(page("run_live", admin_pages.in_the_middle(version))).content.decode()

    assert "<script" not in text
    assert " onclick" not in text
    assert " style=" not in text


def test_live_part_ends_when_the_run_has(browser: Client, version: WorkflowVersion) -> None:
    text = browser.get(page("run_live", admin_pages.failed(version).run_id)).content.decode()

    assert 'data-ended="yes"' in text
    assert "<html" not in text


def test_cancel_ends_the_run_with_the_reason(browser: Client, version: WorkflowVersion) -> None:
    run_id = admin_pages.started(version)
    assert browser.get(page("run_cancel", run_id)).status_code == 405

    browser.post(page("run_cancel", run_id), {"reason": "ordered twice"})

    run = Run.objects.get(id=run_id)
    assert (run.state, run.error["message"]) == ("cancelled", "ordered twice")


def test_cancel_says_so_when_the_run_has_ended(browser: Client, version: WorkflowVersion) -> None:
    run_id = admin_pages.failed(version).run_id

    answer = browser.post(page("run_cancel", run_id), {"reason": "too late"}, follow=True)

    assert "Nothing was cancelled" in answer.content.decode()
    assert Run.objects.get(id=run_id).state == "failed"


def test_page_of_an_unknown_run_is_not_found(browser: Client) -> None:
    assert browser.get(page("run_change", uuid4())).status_code == 404
    assert browser.get(page("run_change", "no-uuid")).status_code == 404
    assert browser.post(page("run_cancel", uuid4())).status_code == 404


def test_page_needs_no_more_queries_for_more_items(browser: Client, version: WorkflowVersion) -> None:
    run_id = admin_pages.in_the_middle(version)
    with CaptureQueriesContext(connection) as few:
        browser.get(page("run_live", run_id))
    Item.objects.bulk_create(Item(run_id=run_id, step="each", index=index) for index in range(3, 300))

    with CaptureQueriesContext(connection) as many:
        text = browser.get(page("run_live", run_id)).content.decode()

    assert len(many) <= len(few)  # the first one reads the version, too
    assert "The first 100 are listed." in text


def test_items_of_one_state_can_be_listed(browser: Client, version: WorkflowVersion) -> None:
    story = timeline.find_story(admin_pages.in_the_middle(version), item_state="waiting")

    assert story is not None
    items = next(step.items for step in story.steps if step.items is not None)
    assert [item.index for item in items.rows] == [2]
    assert dict(items.counts) == {"succeeded": 1, "running": 1, "waiting": 1}


def test_a_long_output_is_cut(version: WorkflowVersion) -> None:
    run_id = admin_pages.in_the_middle(version)
    Run.objects.filter(id=run_id).update(input={"text": "x" * 50_000})

    story = timeline.find_story(run_id)

    assert story is not None
    assert story.input.is_cut
    assert len(story.input.text or "") == timeline.TEXT_CHARS


@pytest.mark.parametrize("term", ["id", "correlation"])
def test_list_finds_by_whole_ids(browser: Client, version: WorkflowVersion, term: str) -> None:
    wanted, other = admin_pages.started(version), admin_pages.started(version)
    Run.objects.filter(id=wanted).update(correlation_id=f"order-{wanted.hex}")

    text = browser.get(
        page("run_changelist"), {"q": str(wanted) if term == "id" else f"order-{wanted.hex}"}
    ).content.decode()

    assert page("run_change", wanted) in text
    assert page("run_change", other) not in text


def test_list_filters_by_workflow_state_and_time(browser: Client, version: WorkflowVersion) -> None:
    failed, running = admin_pages.failed(version).run_id, admin_pages.started(version)
    now = datetime.now(UTC)
    query = {"workflow_name": version.workflow.name, "state__exact": "failed", "started": f"{now:%Y-%m-%dT%H}"}

    text = browser.get(page("run_changelist"), query).content.decode()
    long_ago = browser.get(page("run_changelist"), {**query, "started": "2020-01-01"}).content.decode()

    assert str(failed) in text
    assert str(running) not in text
    assert str(failed) not in long_ago


def test_list_is_never_counted_to_its_end(version: WorkflowVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        admin_pages.started(version)
    monkeypatch.setattr(paging, "CAP", 2)
    runs = Run.objects.filter(workflow_name=version.workflow.name).order_by("-id")

    paginator = CappedPaginator(runs, 1)
    with CaptureQueriesContext(connection) as queries:
        counted = (paginator.count, paginator.is_capped)

    assert counted == (2, True)
    assert all("LIMIT 3" in query["sql"] for query in queries)


def test_nobody_can_delete_or_edit_a_run(browser: Client, version: WorkflowVersion) -> None:
    run_id = admin_pages.started(version)

    assert browser.post(page("run_delete", run_id), {"post": "yes"}).status_code == 403
    assert browser.get(page("run_add")).status_code == 403
    browser.post(page("run_change", run_id), {"state": "succeeded"})
    assert Run.objects.get(id=run_id).state == "running"


def test_requeue_opens_the_run_again_and_counts(browser: Client, version: WorkflowVersion) -> None:
    letter = admin_pages.failed(version)

    answer = browser.post(page("deadletter_requeue", letter.id), follow=True)
    again = browser.post(page("deadletter_requeue", letter.id), follow=True)

    assert "1 dead letter requeued." in answer.content.decode()
    assert "0 dead letters requeued; 1 resolved before." in again.content.decode()
    assert Run.objects.get(id=letter.run_id).state == "running"


def test_discard_needs_a_reason(browser: Client, version: WorkflowVersion) -> None:
    letter = admin_pages.failed(version)

    refused = browser.post(page("deadletter_discard", letter.id), {"reason": " "}, follow=True)
    assert "Nothing was discarded" in refused.content.decode()
    assert DeadLetter.objects.get(id=letter.id).state == "open"

    browser.post(page("deadletter_discard", letter.id), {"reason": "refunded by hand"})
    assert DeadLetter.objects.get(id=letter.id).state == "discarded"


def test_bulk_actions_ask_first_and_count_what_happened(browser: Client, version: WorkflowVersion) -> None:
    letters = [admin_pages.failed(version) for _ in range(3)]
    DeadLetter.objects.filter(id=letters[2].id).update(state="requeued", resolved_at=timezone.now())
    chosen = {"action": "discard_selected", "_selected_action": [letter.id for letter in letters], "index": "0"}
    url = f"{page('deadletter_changelist')}?state=all"

    asked = browser.post(url, chosen)
    assert "Discard 3 dead letters?" in asked.content.decode()
    assert DeadLetter.objects.get(id=letters[0].id).state == "open"

    done = browser.post(url, {**chosen, "confirmed": "yes", "reason": "test"}, follow=True)
    assert "2 dead letters discarded; 1 resolved before." in done.content.decode()


def test_list_of_dead_letters_shows_the_open_ones_first(browser: Client, version: WorkflowVersion) -> None:
    still_open, resolved = admin_pages.failed(version), admin_pages.failed(version)
    DeadLetter.objects.filter(id=resolved.id).update(state="discarded", resolved_at=timezone.now())

    by_default = browser.get(page("deadletter_changelist")).content.decode()
    everything = browser.get(
        page("deadletter_changelist"), {"state": "all", "q": str(resolved.run_id)}
    ).content.decode()

    assert page("deadletter_change", still_open.id) in by_default
    assert page("deadletter_change", resolved.id) not in by_default
    assert page("deadletter_change", resolved.id) in everything


def test_who_may_only_look_resolves_nothing(version: WorkflowVersion) -> None:
    letter = admin_pages.failed(version)
    browser = admin_pages.browser(admin_pages.user("view_deadletter", "view_run"))

    text = browser.get(page("deadletter_change", letter.id)).content.decode()

    assert "Requeue</button>" not in text
    assert browser.post(page("deadletter_requeue", letter.id)).status_code == 403
    assert browser.post(page("deadletter_discard", letter.id), {"reason": "x"}).status_code == 403
    assert browser.post(page("run_cancel", letter.run_id)).status_code == 403


def test_dashboard_shows_what_fails_and_what_waits(browser: Client, version: WorkflowVersion) -> None:
    letter = admin_pages.failed(version)
    admin_pages.started(version)

    with CaptureQueriesContext(connection) as queries:
        text = browser.get(reverse("admin:index")).content.decode()

    assert version.workflow.name in text
    assert page("run_change", letter.run_id) in text
    assert "default" in text
    assert len(queries) < 80


def test_dashboard_tells_nothing_to_who_may_not_look(version: WorkflowVersion) -> None:
    admin_pages.failed(version)

    text = admin_pages.browser(admin_pages.user()).get(reverse("admin:index")).content.decode()

    assert version.workflow.name not in text
    assert "Running now" not in text


def test_sidebar_offers_what_one_may_open() -> None:
    text = admin_pages.browser(admin_pages.user("view_run")).get(reverse("admin:index")).content.decode()

    assert page("run_changelist") in text
    assert page("workflow_changelist") not in text


def test_overview_counts_the_current_hour(version: WorkflowVersion) -> None:
    now = timezone.now()
    before = overview.runs_per_hour(now=now)[-1]

    admin_pages.failed(version)

    after = overview.runs_per_hour(now=now)[-1]
    assert after.started.number - before.started.number == 1
    assert after.failed.number - before.failed.number == 1


def test_hour_bars_are_as_high_as_the_busiest_hour_allows() -> None:
    begin = datetime(2026, 3, 1, 8, tzinfo=UTC)
    hours = [
        Hour(begins_at=begin + timedelta(hours=index), started=Tally(number), failed=Tally(failed))
        for index, (number, failed) in enumerate([(0, 0), (10, 1), (5, 0), (1000, 0)])
    ]

    bars = dashboard.hour_bars(hours)

    assert [bar.height for bar in bars] == ["0.0", "2.0", "2.0", "120.0"]
    assert bars[1].failed_height == "2.0"
    assert bars[0].label == "08:00"
