"""Limits from outside: API, admin, command line; each says who holds, who waits, and what would be right."""

from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.flows.driving import TESTER, begin, call, claimable, work
from tests.support import admin_pages
from tests.support.api import client
from workflows import limit_store, operations, store
from workflows.models import Limit

pytestmark = pytest.mark.django_db


@pytest.fixture
def full() -> str:
    """This will be a limit of one slot, with one step that has it and two in line."""
    name = f"limit-{uuid4().hex[:12]}"
    operations.set_limit(name=name, capacity=1, actor=TESTER, now=timezone.now())
    steps = {"only": call("noop", limits=[name])}
    (claim,) = store.claim(refs=claimable(begin(steps)), owner="host:7", lease_s=60)
    limit_store.take_slots(hold={"id": claim.id, "epoch": claim.epoch}, limits=[name])
    work(begin(steps), begin(steps))
    return name


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def test_api_says_who_has_it_and_who_waits(full: str) -> None:
    answer = client("runs:read").get(f"/api/v1/limits/{full}").json()

    assert (answer["capacity"], answer["held"], answer["waiting"]) == (1, 1, 2)
    assert [holder["owner"] for holder in answer["holders"]] == ["host:7"]
    assert [waiter["position"] for waiter in answer["line"]] == [1, 2]
    listed = client("runs:read").get("/api/v1/limits").json()["results"]
    assert full in [one["name"] for one in listed]
    run = client("runs:read").get(f"/api/v1/runs/{answer['line'][1]['run']}").json()
    assert run["waits"][0]["line"] == {"position": 2, "held": 1, "capacity": 1}


def test_api_makes_changes_and_deletes() -> None:
    caller = client("definitions:write", "runs:read")
    path = f"/api/v1/limits/limit-{uuid4().hex[:12]}"

    made = caller.put(path, {"capacity": 2}, format="json")
    again = caller.put(path, {"capacity": 2}, format="json")
    wrong = caller.put(path, {"capacity": -1}, format="json")
    deleted = caller.delete(path)
    gone = caller.get(path)

    assert (made.status_code, again.status_code, deleted.status_code, gone.status_code) == (201, 200, 204, 404)
    assert (wrong.status_code, wrong.json()["type"].rpartition(":")[2]) == (422, "limit-invalid")
    assert gone.json()["type"].endswith("limit-unknown")


def test_api_refuses_to_delete_what_is_named(full: str) -> None:
    answer = client("definitions:write").delete(f"/api/v1/limits/{full}")

    assert answer.status_code == 409
    assert "still named by workflow" in answer.json()["detail"]


def test_api_needs_the_scope_to_write() -> None:
    assert client("runs:read").put("/api/v1/limits/x", {"capacity": 1}, format="json").status_code == 403


def test_admin_page_shows_holders_and_line(browser: Client, full: str) -> None:
    limit = Limit.objects.get(name=full)

    text = browser.get(reverse("admin:workflows_limit_change", args=(limit.pk,))).content.decode()
    listed = browser.get(reverse("admin:workflows_limit_changelist")).content.decode()

    assert "1 of 1 slots are held" in text
    assert "host:7" in text
    assert "2 wait" in text
    assert full in listed


def test_admin_saves_through_the_operation_and_refuses_wrong_input(browser: Client) -> None:
    name = f"limit-{uuid4().hex[:12]}"
    address = reverse("admin:workflows_limit_add")

    browser.post(address, {"name": name, "capacity": "3", "description": "three"})
    wrong = browser.post(address, {"name": name + "x", "capacity": "20000"})

    assert Limit.objects.get(name=name).slots.count() == 3
    assert "must be 0 to 10000" in wrong.content.decode()


def test_admin_run_page_says_the_place_in_line(browser: Client, full: str) -> None:
    run_id = client("runs:read").get(f"/api/v1/limits/{full}").json()["line"][0]["run"]

    text = browser.get(reverse("admin:workflows_run_change", args=(run_id,))).content.decode()

    assert f"place 1 in line for a slot of the limit {full}: 1 of 1 are held" in text


def test_command_sets_shows_and_deletes(full: str, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"limit-{uuid4().hex[:12]}"

    call_command("automation", "limits", "set", name, "4", stdout=StringIO())
    call_command("automation", "limits", stdout=StringIO())
    call_command("automation", "limits", "show", full, stdout=StringIO())
    call_command("automation", "limits", "delete", name, stdout=StringIO())

    said = capsys.readouterr().out
    assert f"{name} has 4 slots" in said
    assert f"{full}: 1 of 1 slots held, 2 waiting" in said
    assert f"{name} deleted" in said


def test_command_ends_with_code_2_when_asked_for_what_is_wrong(full: str) -> None:
    for wrong in (["set", full, "-1"], ["delete", full], ["show", "nothing-like-it"]):
        with pytest.raises(CommandError) as caught:
            call_command("automation", "limits", *wrong)
        assert caught.value.returncode == 2
