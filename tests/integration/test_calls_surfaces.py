"""The call ledger from outside: API, admin, command line and `why`; found from the run and back, and settled."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import orjson
import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.calls import store
from integrations.calls.store import Ask
from integrations.models import Call
from retention import classes
from retention import queries as retention
from tests.flows import driving
from tests.support import admin_pages
from tests.support.api import client
from workflows import explaining
from workflows.core.identity import run_id as new_run_id
from workflows.models import Activation, Run

pytestmark = pytest.mark.django_db
OUTPUT = {"status": 200, "headers": {}, "body": {"id": "ch_1"}}


def recorded(*, run_id: UUID | None = None, connection: str = "", outcome: str = "unknown", **more: object) -> Call:
    """This will be a call of a step `charge` that came to this."""
    run = run_id or new_run_id(unix_ms=int(timezone.now().timestamp() * 1000), random_bytes=uuid4().bytes[:10])
    ask: Ask = {
        "key": str(uuid4()),
        "run_id": str(run),
        "workflow_name": "orders",
        "step": "charge",
        "index": None,
        "round": None,
        "correlation_id": f"order-{run}",
        "adapter": "http.request",
        "connection": connection or f"shop-{uuid4().hex[:8]}",
        "digest": "0" * 64,
        "is_safe": False,
        "timeout_s": 0.0,
    }
    store.begin([ask])
    values = {"outcome": outcome, "happened": None if outcome in ("unknown", "sending") else outcome == "succeeded"}
    Call.objects.filter(key=ask["key"]).update(**values, **more)
    return Call.objects.get(key=ask["key"])


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def test_api_narrows_by_connection_outcome_key_run_and_time() -> None:
    caller = client("runs:read")
    call = recorded()
    other = recorded(connection=call.connection, outcome="succeeded")
    later = (timezone.now() + timedelta(hours=1)).isoformat()

    def keys(**query: str) -> set[str]:
        answer = caller.get("/api/v1/calls", {"connection": call.connection, **query})
        return {one["key"] for one in answer.json()["results"]}

    assert keys() == {str(call.key), str(other.key)}
    assert keys(outcome="open") == keys(outcome="unknown") == keys(key=str(call.key)) == {str(call.key)}
    assert keys(run=str(other.run_id)) == {str(other.key)}
    assert keys(since=later) == set()
    assert caller.get("/api/v1/calls", {"outcom": "open"}).status_code == 400


def test_api_pages_by_cursor_without_losing_any() -> None:
    connection = f"shop-{uuid4().hex[:8]}"
    made = {str(recorded(connection=connection).key) for _ in range(5)}
    caller, path, seen = client("runs:read"), f"/api/v1/calls?connection={connection}&limit=2", []

    while path:
        page = caller.get(path).json()
        seen.extend(one["key"] for one in page["results"])
        path = page["next"] or ""

    assert (len(seen), set(seen)) == (5, made)


def test_api_shows_and_settles_a_call() -> None:
    call = recorded(evidence={"message": "cut", "api_key": "k-1"})
    path = f"/api/v1/calls/{call.key}"
    reader, writer = client("runs:read"), client("results:write")
    finding = {"happened": True, "output": OUTPUT, "reason": "seen in the dashboard"}

    shown = reader.get(path).json()
    forbidden = reader.post(f"{path}/settle", finding, format="json")
    settled = writer.post(f"{path}/settle", finding, format="json")
    again = writer.post(f"{path}/settle", finding, format="json")

    assert (shown["outcome"], shown["happened"], shown["evidence"]["api_key"]) == ("unknown", None, "***")
    assert (forbidden.status_code, settled.status_code, again.status_code) == (403, 200, 409)
    assert (settled.json()["settled_by"], settled.json()["output"]) == ("hand", OUTPUT)
    assert again.json()["type"].endswith("call-not-open")


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        ({"happened": True, "reason": "x"}, 400),
        ({"happened": False, "output": 1, "reason": "x"}, 400),
        ({"happened": False}, 400),
        ({"happened": True, "output": "x" * 70_000, "reason": "x"}, 422),
    ],
)
def test_api_says_what_is_wrong_with_a_finding(finding: Mapping[str, object], status: int) -> None:
    call = recorded()

    answer = client("results:write").post(f"/api/v1/calls/{call.key}/settle", finding, format="json")

    assert answer.status_code == status
    assert Call.objects.get(key=call.key).happened is None


def test_api_does_not_know_every_key() -> None:
    answer = client("runs:read").get(f"/api/v1/calls/{uuid4()}")

    assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (404, "call-unknown")


def test_command_line_lists_shows_and_settles(capsys: pytest.CaptureFixture[str]) -> None:
    call = recorded()

    call_command("automation", "calls", "list", "--connection", call.connection, "--outcome", "open")
    listed = capsys.readouterr().out
    call_command("automation", "calls", "show", str(call.key))
    shown = capsys.readouterr().out
    words = ["--happened", orjson.dumps(OUTPUT).decode(), "--reason", "asked them"]
    call_command("automation", "calls", "settle", str(call.key), *words)

    assert str(call.key) in listed
    assert "happened       nobody knows" in shown
    assert "has happened" in capsys.readouterr().out
    assert Call.objects.get(key=call.key).output == OUTPUT
    with pytest.raises(CommandError, match="not of unknown outcome") as caught:
        call_command("automation", "calls", "settle", str(call.key), "--did-not-happen", "--reason", "x")
    assert caught.value.returncode == 2


def test_admin_list_and_page_show_a_call(browser: Client) -> None:
    call = recorded(outcome="succeeded", evidence={"token": "hush-hush-1"})

    found = browser.get(reverse("admin:integrations_call_changelist"), {"q": str(call.run_id)}).content.decode()
    page = browser.get(reverse("admin:integrations_call_change", args=(call.key,))).content.decode()

    assert call.connection in found
    assert str(call.run_id) in page
    assert "hush-hush-1" not in page
    assert "It goes into the audit trail" not in page
    assert 'name="verdict"' not in page


def test_admin_settles_an_open_call(browser: Client) -> None:
    call = recorded()
    path = reverse("admin:integrations_call_change", args=(call.key,))
    wrong = browser.post(path, {"verdict": "happened", "given": "{", "reason": "seen"})

    browser.post(path, {"verdict": "did_not_happen", "given": "", "reason": "no such charge there"})

    assert "This is not JSON" in wrong.content.decode()
    row = Call.objects.get(key=call.key)
    assert (row.outcome, row.happened, row.settled_by) == ("settled", False, "hand")


def test_admin_refuses_to_settle_without_the_permission() -> None:
    call = recorded()
    person = admin_pages.user()
    person.user_permissions.add(Permission.objects.get(codename="view_call"))
    looker = admin_pages.browser(person)

    page = looker.get(reverse("admin:integrations_call_change", args=(call.key,))).content.decode()
    looker.post(reverse("admin:integrations_call_change", args=(call.key,)), {"verdict": "happened", "reason": "x"})

    assert 'name="verdict"' not in page
    assert Call.objects.get(key=call.key).happened is None


def test_run_page_shows_its_calls(browser: Client) -> None:
    run = driving.finish({"charge": {"uses": "set", "with": {}}})
    call = recorded(run_id=run.id)

    page = browser.get(reverse("admin:workflows_run_change", args=(run.id,))).content.decode()

    assert "Calls of the outside" in page
    assert reverse("admin:integrations_call_change", args=(call.key,)) in page


def test_why_mentions_a_call_in_doubt() -> None:
    run_id = driving.begin({"charge": {"uses": "set", "with": {}}})
    call = recorded(run_id=run_id)
    Activation.objects.filter(run_id=run_id).update(state="waiting", wait_reason="retry", attempt=2)

    (reason,) = explaining.explain(Run.objects.get(id=run_id)).reasons

    assert f"its call {call.key} may have happened" in reason.says


def test_calls_in_doubt_and_held_ones_outlive_their_time() -> None:
    def kept() -> int:
        data = next(one for one in classes.registered() if one.name == "calls")
        facts = retention.plan_of(data, now=datetime(2039, 1, 15, tzinfo=UTC))[0].facts
        assert facts is not None
        return facts.kept

    before = kept()
    done = recorded(outcome="succeeded")
    recorded()
    in_doubt = kept()
    call_command("automation", "retention", "hold", "--run", str(done.run_id), "--reason", "case 7")

    assert (in_doubt, kept()) == (before + 1, before + 2)
