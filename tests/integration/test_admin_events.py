"""Events in the admin: the list, the page of one with who received it, a form to publish, and who waits."""

from uuid import uuid4

import pytest
from django.urls import reverse
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import TESTER
from tests.support.admin_pages import NASTY, browser, user
from workflows import operations
from workflows.core.correlation import NewEvent
from workflows.models import Event, EventWait

pytestmark = pytest.mark.usefixtures("database")
ADD = "admin:workflows_event_add"


def form(key: str, **more: str) -> dict[str, str]:
    """This will be what a person writes."""
    return {"type": "paid", "key": key, "data": '{"sum": 7}', "source": "", "event_id": "", "ttl": "", **more}


def test_form_publishes_and_the_page_says_who_received_it() -> None:
    key = uuid4().hex
    run_id = driving.begin({"paid": {"uses": "wait", "with": {"event": {"type": "paid", "key": key}}}})
    driving.work(run_id)
    person = user("add_event", "view_event")
    staff = browser(person)

    answer = staff.post(reverse(ADD), form(key, ttl="2h"))
    driving.work(run_id)
    event = Event.objects.get(key=key)
    page = staff.get(reverse("admin:workflows_event_change", args=(event.id,))).content.decode()

    assert answer.status_code == 302
    assert (event.data, event.published_by, event.source) == ({"sum": 7}, f"user:{person.pk}", f"user:{person.pk}")
    assert (event.expires_at - event.received_at).total_seconds() == 7200
    assert str(run_id) in page
    assert "No step waits." in page
    assert key in staff.get(reverse("admin:workflows_event_changelist"), {"buffered": "yes"}).content.decode()


def test_form_says_at_its_field_what_is_wrong() -> None:
    staff = browser(user("add_event"))

    wrong = staff.post(reverse(ADD), form("k", data="{", ttl="soon")).content.decode()
    long = staff.post(reverse(ADD), form("k", ttl="40d")).content.decode()

    assert "This is not JSON" in wrong
    assert "soon" in wrong
    assert "must be 0 to" in long


def test_what_an_event_says_is_shown_as_text_and_secrets_are_masked() -> None:
    key = uuid4().hex
    told = operations.publish_event(
        NewEvent(id=key, source=NASTY, type=NASTY, key=key, data={"password": "hunter2", "note": NASTY}),
        actor=TESTER,
        now=timezone.now(),
    )

    page = browser(user("view_event")).get(reverse("admin:workflows_event_change", args=(told.row,))).content.decode()

    assert "<script>alert" not in page
    assert "hunter2" not in page


def test_who_waits_is_listed_and_nobody_edits_it() -> None:
    key = uuid4().hex
    run_id = driving.begin({"paid": {"uses": "wait", "with": {"event": {"type": "paid", "key": key}, "for": "1h"}}})
    driving.work(run_id)
    staff = browser(user("view_eventwait", "change_eventwait"))

    listed = staff.get(reverse("admin:workflows_eventwait_changelist"), {"q": key}).content.decode()

    assert key in listed
    assert EventWait.objects.get(run_id=run_id).state == "waiting"
    page = reverse("admin:workflows_eventwait_change", args=(EventWait.objects.get(run_id=run_id).pk,))
    assert staff.post(page, {"state": "closed"}).status_code == 403


def test_whoever_may_not_publish_sees_no_form() -> None:
    assert browser(user("view_event")).get(reverse(ADD)).status_code == 403
    assert browser(user("view_run")).get(reverse("admin:workflows_event_changelist")).status_code == 403
