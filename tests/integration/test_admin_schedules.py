"""Schedules in the admin: what the pages say, what the buttons do, and who may press them."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from automation import schedule_queries, scheduling
from automation.firing import settling
from automation.models import Backfill, DayCalendar, Fire, Schedule
from tests.flows.driving import TESTER
from tests.support import admin_pages
from tests.support.api import published

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


@pytest.fixture
def schedule() -> Schedule:
    """This will be a schedule that is due at 08:00 in Berlin but on Sundays."""
    rule = {"cron": "0 8 * * *", "timezone": "Europe/Berlin", "exclude": {"weekdays": ["SUN"]}}
    made, _ = scheduling.save_schedule(
        name=f"test-{uuid4().hex[:12]}", workflow=published(), document=rule, actor=TESTER, now=timezone.now()
    )
    return made


def address(schedule: Schedule, word: str = "change") -> str:
    """This will be the address of a schedule's page, or of one of its buttons."""
    return reverse(f"admin:automation_schedule_{word}", args=(schedule.pk,))


def test_pages_show_what_is_next_and_what_became_of_due_times(browser: Client, schedule: Schedule) -> None:
    browser.post(address(schedule, "trigger"))
    settling.settle(now=timezone.now())

    listed = browser.get(reverse("admin:automation_schedule_changelist") + f"?q={schedule.name}").content.decode()
    page = browser.get(address(schedule)).content.decode()

    (fire,) = schedule_queries.fires_of(schedule)
    assert schedule.name in listed
    assert "0 8 * * * (Europe/Berlin)" in listed
    assert "New schedule" in listed
    assert page.count("T08:00:00+0") == 10
    assert "day off" in page
    assert str(fire.run_id) in page


def test_buttons_pause_resume_and_backfill(browser: Client, schedule: Schedule) -> None:
    span = {"start": "2026-01-01", "end": "2026-01-03", "order": "forward", "parallel": "1", "reprocess": "none"}
    browser.post(address(schedule, "pause"), {"reason": "stocktaking"})
    paused = browser.get(address(schedule)).content.decode()
    browser.post(address(schedule, "resume"))
    dry = browser.post(address(schedule, "backfill"), {**span, "dry_run": "yes"}, follow=True).content.decode()
    browser.post(address(schedule, "backfill"), span)
    wrong = browser.post(address(schedule, "backfill"), {**span, "start": "soon"}, follow=True).content.decode()

    schedule.refresh_from_db()
    backfill = Backfill.objects.get(schedule_id=schedule.pk)
    browser.post(reverse("admin:automation_backfill_stop", args=(backfill.pk,)))
    assert "stocktaking" in paused
    assert schedule.state == "active"
    assert "2 due times would be done" in dry
    assert "Invalid isoformat string" in wrong
    assert Backfill.objects.get(id=backfill.pk).state == "stopped"


def test_form_previews_saves_and_says_what_is_wrong(browser: Client) -> None:
    new = reverse("admin:automation_schedule_new")
    form = {"name": f"test-{uuid4().hex[:12]}", "workflow": published(), "source": 'cron: "0 8 * * *"\n'}

    previewed = browser.post(new, {**form, "preview": "yes"}).content.decode()
    wrong = browser.post(new, {**form, "source": 'cron: "0 25 * * *"\n'})
    unknown = browser.post(new, {**form, "workflow": "nothing-like-it"})
    assert not Schedule.objects.filter(name=form["name"]).exists()
    browser.post(new, form)
    saved = Schedule.objects.get(name=form["name"])
    browser.post(address(saved, "edit"), {**form, "source": "every: 2h\n"})

    assert previewed.count("T08:00:00+00:00") == 10
    assert (wrong.status_code, unknown.status_code) == (422, 422)
    assert "$.cron" in wrong.content.decode()
    saved.refresh_from_db()
    assert saved.rule == {"every": "2h"}


def test_who_may_not_change_schedules_presses_no_button(schedule: Schedule) -> None:
    reader = admin_pages.browser(admin_pages.user("view_run"))

    answers = [reader.post(address(schedule, word)).status_code for word in ("trigger", "resume", "backfill")]

    assert answers == [403, 403, 403]
    assert reader.get(address(schedule)).status_code == 403
    assert not Fire.objects.filter(schedule_id=schedule.pk).exists()


def test_calendar_is_saved_through_the_operation(browser: Client) -> None:
    add = reverse("admin:automation_daycalendar_add")
    name = f"days-{uuid4().hex[:8]}"

    browser.post(add, {"name": name, "days": '{"dates": ["12-25"]}', "description": "Christmas"})
    wrong = browser.post(add, {"name": f"{name}x", "days": '{"dates": ["12-32"]}'})

    assert DayCalendar.objects.get(name=name).days == {"dates": ["12-25"]}
    assert "is no date" in wrong.content.decode()
