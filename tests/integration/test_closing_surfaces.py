"""The end of a run on every surface: the API, the command line, the admin; who may, and what is told."""

import contextlib
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from tests.flows.driving import begin, call, finish, states, work
from tests.support import admin_pages, api
from workflows.models import Run

pytestmark = pytest.mark.usefixtures("database")
UNDO = {"uses": "set", "with": {"back": True}}
SLOW = call("fail_until", needs="act", args={"attempt": 9}, retry={"first": "60s"})
STEPS = {"act": call("noop", undo=UNDO), "wait": SLOW}
TIDY = {"tidy": {"uses": "set", "with": {}}}


@pytest.fixture
def run_id() -> UUID:
    """This will be a run with something to undo and to tidy up, between two attempts."""
    started = begin(STEPS, **{"finally": TIDY})
    work(started)
    return started


def test_cancel_over_the_api_says_what_is_done_and_what_comes(run_id: UUID) -> None:
    caller = api.client("runs:write", "runs:read")

    answer = caller.post(f"/api/v1/runs/{run_id}/cancel", {"reason": "no", "grace_s": 30}, format="json")

    assert answer.status_code == 200
    told = answer.json()
    assert (told["state"], told["ending"]) == ("running", "cancelled")
    assert told["closing"] == {
        "ending": "cancelled",
        "until": None,
        "done": ["act"],
        "going": ["act:undo"],
        "undone": [],
        "to_undo": ["act"],
        "at_end": ["tidy"],
    }
    assert caller.get(f"/api/v1/runs/{run_id}/why").json()["summary"].startswith("it is ending as cancelled: act:undo ")
    work(run_id)
    after = caller.get(f"/api/v1/runs/{run_id}").json()
    assert (after["state"], after["closing"]["undone"], after["closing"]["to_undo"]) == ("cancelled", ["act"], [])


def test_cancel_over_the_api_can_leave_the_undo_out_and_can_be_forced(run_id: UUID) -> None:
    caller = api.client("runs:write")
    caller.post(f"/api/v1/runs/{run_id}/cancel", {"undo": False}, format="json")

    forced = caller.post(f"/api/v1/runs/{run_id}/cancel", {"force": True}, format="json").json()

    assert forced["state"] == "cancelled"
    assert states(run_id) == {"act": "succeeded", "wait": "cancelled", "tidy": "cancelled"}
    wrong = caller.post(f"/api/v1/runs/{run_id}/cancel", {"grace_s": -1}, format="json")
    assert (wrong.status_code, "grace_s" in wrong.content.decode()) == (400, True)


def test_undo_over_the_api_needs_a_reason_a_scope_and_something_to_undo() -> None:
    run = finish({"act": call("noop", undo=UNDO)})
    plain = finish({"only": call("noop")})
    caller, reader = api.client("runs:write"), api.client("runs:read")

    assert reader.post(f"/api/v1/runs/{run.id}/undo", {"reason": "x"}, format="json").status_code == 403
    assert caller.post(f"/api/v1/runs/{run.id}/undo", {}, format="json").status_code == 400
    assert caller.post(f"/api/v1/runs/{uuid4()}/undo", {"reason": "x"}, format="json").status_code == 404
    nothing = caller.post(f"/api/v1/runs/{plain.id}/undo", {"reason": "x"}, format="json")
    assert (nothing.status_code, nothing.json()["type"].split(":")[-1]) == (409, "nothing-to-undo")
    first = caller.post(f"/api/v1/runs/{run.id}/undo", {"reason": "went back"}, format="json").json()
    again = caller.post(f"/api/v1/runs/{run.id}/undo", {"reason": "went back"}, format="json").json()
    assert (first["state"], first["ending"], again["ending"]) == ("running", "cancelled", "cancelled")
    work(run.id)
    assert states(run.id) == {"act": "succeeded", "act:undo": "succeeded"}


def test_steps_over_the_api_show_an_undo_only_where_it_came_to_that() -> None:
    good = finish({"act": call("noop", undo=UNDO)})
    bad = finish({"act": call("noop", undo=UNDO), "fail": call("fail_on", needs="act", args={"value": 1, "bad": 1})})
    caller = api.client("runs:read")

    def steps(run: Run) -> dict[str, str]:
        rows = caller.get(f"/api/v1/runs/{run.id}/steps").json()["results"]
        return {row["step"]: row["state"] for row in rows}

    assert steps(good) == {"act": "succeeded"}
    assert steps(bad) == {"act": "succeeded", "fail": "failed", "act:undo": "succeeded"}


def test_command_line_cancels_and_undoes(run_id: UUID, capsys: pytest.CaptureFixture[str]) -> None:
    command("cancel", str(run_id), "--grace", "30s", "--reason", "no")
    told = capsys.readouterr().out
    assert "ends as cancelled" in told
    assert "to undo: act" in told
    command("cancel", str(run_id), "--force")
    assert Run.objects.get(id=run_id).state == "cancelled"
    done = finish({"act": call("noop", undo=UNDO)})
    command("undo", str(done.id), "--reason", "went back")
    assert "to undo: act" in capsys.readouterr().out

    with pytest.raises(CommandError, match="soon") as wrong:
        command("cancel", str(run_id), "--grace", "soon")
    assert wrong.value.returncode == 2
    with pytest.raises(CommandError, match="nothing to undo"):
        command("undo", str(finish({"only": call("noop")}).id), "--reason", "x")


def test_admin_shows_the_end_of_a_run_and_offers_what_can_be_done(run_id: UUID) -> None:
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))
    address = reverse("admin:workflows_run_change", args=(run_id,))

    assert "Cancel run" in browser.get(address).content.decode()
    browser.post(reverse("admin:workflows_run_cancel", args=(run_id,)), {"reason": "no"})
    text = browser.get(address).content.decode()
    assert "It is ending as cancelled" in text
    assert "End by force" in text
    browser.post(reverse("admin:workflows_run_cancel", args=(run_id,)), {"reason": "now", "force": "on"})
    assert Run.objects.get(id=run_id).state == "cancelled"
    text = browser.get(address).content.decode()
    assert "not undone: act" in text


def test_admin_undoes_a_run_that_has_ended_for_those_who_may() -> None:
    run = finish({"act": call("noop", undo=UNDO)})
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))
    address, undo = (
        reverse("admin:workflows_run_change", args=(run.id,)),
        reverse("admin:workflows_run_undo", args=(run.id,)),
    )

    assert "Undo run" in browser.get(address).content.decode()
    assert admin_pages.browser(admin_pages.user("view_run")).post(undo, {"reason": "x"}).status_code == 403
    browser.post(undo, {"reason": "went back"})
    work(run.id)

    run.refresh_from_db()
    assert run.error is not None
    assert (run.state, run.error["message"]) == ("cancelled", "went back")
    assert "Undo run" not in browser.get(address).content.decode()
    assert "Nothing was undone" in browser.post(undo_of_nothing(), {"reason": "x"}, follow=True).content.decode()


def undo_of_nothing() -> str:
    """This will be the address that undoes a run with nothing to undo."""
    return reverse("admin:workflows_run_undo", args=(finish({"only": call("noop")}).id,))


def command(*words: str) -> None:
    """This will run a subcommand that ends well."""
    with contextlib.suppress(SystemExit):
        call_command("automation", *words)
