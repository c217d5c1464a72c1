"""Incidents and poison messages in the admin: everything is shown and escaped, few queries, each act one operation."""

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from tests.flows.driving import call, publish, start, work
from tests.support import admin_pages
from workflows.admin.incidents import spark
from workflows.models import DeadLetter, Incident, PoisonMessage, Run
from workflows.operations import poison
from workflows.operations.poison import Poison

pytestmark = pytest.mark.django_db
NASTY = "<script>alert(1)</script>"


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


@pytest.fixture
def incident(tmp_path: Path) -> Incident:
    """This will be an incident of two failures."""
    path = str(tmp_path / NASTY.replace("/", "-"))
    workflow = publish({"ask": call("fail_unless", args={"path": path}, retry={"attempts": 1})})
    work(start(workflow), start(workflow))
    return Incident.objects.get(workflow_name=workflow)


@pytest.fixture
def message() -> PoisonMessage:
    """This will be a message that no worker could take."""
    found = Poison(
        headers={"task": NASTY, "token": "s3cr3t", "x-death": [{"queue": "io", "reason": "rejected"}]},
        properties={"content_type": "application/json"},
        body=b'{"password": "s3cr3t", "note": "<script>alert(1)</script>"}',
        is_redelivered=False,
    )
    row = poison.record_message(found, now=timezone.now())
    assert row is not None
    return row


def page(name: str, *args: object) -> str:
    """This will be the address of one of the engine's pages."""
    return reverse(f"admin:workflows_{name}", args=args)


def test_pages_show_counts_and_escape_what_messages_bring(
    browser: Client, incident: Incident, message: PoisonMessage
) -> None:
    texts = {
        address: browser.get(address).content.decode()
        for address in (
            page("incident_changelist"),
            page("incident_change", incident.fingerprint),
            page("incident_change", message.fingerprint),
            page("poisonmessage_changelist"),
            page("poisonmessage_change", message.id),
            page("deadletter_change", DeadLetter.objects.filter(fingerprint=incident.fingerprint).latest("id").id),
        )
    }

    for address, text in texts.items():
        assert "<script>alert" not in text, address
        assert "s3cr3t" not in text, address
    assert "Try 2 again" in texts[page("incident_change", incident.fingerprint)]
    assert incident.fingerprint in texts[page("incident_changelist")]


def test_list_needs_few_queries_however_many_incidents_there_are(browser: Client, incident: Incident) -> None:
    with CaptureQueriesContext(connection) as before:
        browser.get(page("incident_changelist"))
    for number in range(20):
        Incident.objects.create(
            fingerprint=f"{number:016x}",
            kind="error",
            first_seen_at=timezone.now(),
            last_seen_at=timezone.now(),
            opened_at=timezone.now(),
            changed_at=timezone.now(),
        )
    with CaptureQueriesContext(connection) as after:
        browser.get(page("incident_changelist"))

    assert len(after) <= len(before) < 40


def test_try_again_requeues_at_a_pace_and_says_how_many(browser: Client, incident: Incident) -> None:
    address = page("incident_resolve", incident.fingerprint)

    wrong = browser.post(address, {"per_second": "fast"}, follow=True).content.decode()
    done = browser.post(address, {"per_second": "5"}, follow=True).content.decode()

    assert "Nothing was requeued" in wrong
    assert "2 of 2 dead letters requeued." in done
    assert Incident.objects.get(fingerprint=incident.fingerprint).state == "resolving"
    assert set(Run.objects.filter(workflow_name=incident.workflow_name).values_list("state", flat=True)) == {"running"}


def test_discard_needs_a_reason_and_assign_names_the_owner(browser: Client, incident: Incident) -> None:
    without = browser.post(page("incident_discard", incident.fingerprint), {}, follow=True).content.decode()
    browser.post(page("incident_assign", incident.fingerprint), {"owner": "ana"})
    browser.post(page("incident_discard", incident.fingerprint), {"reason": "a test"})

    incident.refresh_from_db()
    assert "Nothing was discarded" in without
    assert (incident.state, incident.owner, incident.reason) == ("discarded", "ana", "a test")


def test_message_is_discarded_once_for_a_reason(browser: Client, message: PoisonMessage) -> None:
    address = page("poisonmessage_discard", message.id)

    browser.post(address, {"reason": "looked at"})
    again = browser.post(address, {"reason": "looked at"}, follow=True).content.decode()

    message.refresh_from_db()
    assert (message.state, message.note) == ("discarded", "looked at")
    assert "Nothing was discarded" in again
    assert Incident.objects.get(fingerprint=message.fingerprint).state == "discarded"


def test_requeue_with_other_inputs_says_what_is_wrong_with_them(
    browser: Client, incident: Incident, tmp_path: Path
) -> None:
    letter = DeadLetter.objects.filter(fingerprint=incident.fingerprint).earliest("id")
    address = page("deadletter_requeue", letter.id)
    there = tmp_path / "there"
    there.touch()

    no_json = browser.post(address, {"payload": "{"}, follow=True).content.decode()
    wrong = browser.post(address, {"payload": "{}"}, follow=True).content.decode()
    right = f'{{"call": "flows.fail_unless", "args": {{"path": "{there}"}}}}'
    done = browser.post(address, {"payload": right}, follow=True).content.decode()
    work(letter.run_id)

    assert "are not JSON" in no_json
    assert "is missing" in wrong
    assert "requeued with other inputs" in done
    assert Run.objects.get(id=letter.run_id).state == "succeeded"


def test_who_may_only_look_changes_nothing(incident: Incident, message: PoisonMessage) -> None:
    reader = admin_pages.browser(admin_pages.user("view_incident", "view_poisonmessage", "view_deadletter"))
    repairer = admin_pages.browser(admin_pages.user("change_deadletter"))
    letter = DeadLetter.objects.filter(fingerprint=incident.fingerprint).latest("id")

    text = reader.get(page("incident_change", incident.fingerprint)).content.decode()
    codes = [
        reader.post(page(f"incident_{act}", incident.fingerprint), {"reason": "x", "owner": "x"}).status_code
        for act in ("resolve", "discard", "assign")
    ]
    codes.append(reader.post(page("poisonmessage_discard", message.id), {"reason": "x"}).status_code)
    codes.append(repairer.post(page("deadletter_requeue", letter.id), {"payload": "{}"}).status_code)

    assert "Try 2 again" not in text
    assert set(codes) == {403}


def test_bars_are_as_high_as_the_greatest_count_allows() -> None:
    assert [bar["height"] for bar in spark([0, 1, 1_000], height=24)] == [0, 2, 24]
