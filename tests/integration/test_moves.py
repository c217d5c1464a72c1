"""Moves of waiting runs to another version: what stands in the way, and where they go on."""

import contextlib
from datetime import timedelta
from uuid import UUID

import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, begin, call, let_time_pass, publish, start, states, trail_of, work
from tests.support import admin_pages, api
from workflows import operations, plans
from workflows.errors import MoveRefused, UnknownVersion
from workflows.models import Activation, Run
from workflows.operations import Moved

pytestmark = pytest.mark.usefixtures("database")
REST = {"uses": "wait", "needs": "a", "with": {"for": "3d"}}
STEPS = {"a": call("echo", args={"value": 1}), "rest": REST, "old": call("noop", needs="rest")}
GROWN = {
    "now": call("noop"),
    "later": call("noop", needs="now"),
    "beside": call("noop", needs="now"),
    "rest": {"uses": "wait", "needs": ["later", "beside"], "with": {"for": "3d"}},
}
LONGER = {
    "first": call("noop"),
    "a": STEPS["a"],
    "beside": call("noop", needs="a"),
    "rest": {**REST, "timeout": "1h"},
    "new": call("echo", needs="rest", args={"value": "${{ steps.a.output }}"}),
}


def waiting() -> UUID:
    """This will be a run of version 1 that rests for days, with a version 2 published since."""
    run_id = begin(STEPS)
    work(run_id)
    api.publish({"name": Run.objects.get(id=run_id).workflow_name, "steps": LONGER})
    return run_id


def move(run_id: UUID, *, version: int | None = None, dry_run: bool = False) -> Moved:
    """This will move a run."""
    return operations.move_run(run_id=run_id, version=version, actor=TESTER, now=timezone.now(), dry_run=dry_run)


def test_waiting_run_goes_on_with_the_newer_version() -> None:
    run_id = waiting()
    due_at = Activation.objects.get(run_id=run_id).due_at

    dry = move(run_id, dry_run=True)
    assert (dry.before, dry.after, dry.hindrances) == (1, 2, ())
    assert Run.objects.get(id=run_id).version.number == 1
    move(run_id)

    assert due_at in set(Activation.objects.filter(run_id=run_id).values_list("due_at", flat=True))
    work(run_id)
    assert states(run_id) == dict.fromkeys(("first", "a", "beside"), "succeeded")
    let_time_pass(run_id)
    work(run_id)
    run = Run.objects.get(id=run_id)
    assert (run.state, run.version.number) == ("succeeded", 2)
    assert states(run_id) == dict.fromkeys(LONGER, "succeeded")
    assert trail_of(run_id, "run.moved")[0]["after"] == 2


def test_every_hindrance_is_named_by_its_path() -> None:
    run_id = waiting()
    name = Run.objects.get(id=run_id).workflow_name
    api.publish(
        {
            "name": name,
            "input": {"type": "object"},
            "steps": {"a": call("noop"), "late": {"uses": "wait", "needs": "a", "with": {"for": "3d"}}},
        }
    )

    dry = move(run_id, dry_run=True)

    assert {problem.path for problem in dry.hindrances} == {"$.steps.a.with", "$.steps.rest", "$.input"}
    with pytest.raises(MoveRefused):
        move(run_id)
    with pytest.raises(UnknownVersion):
        move(run_id, version=9)
    assert Run.objects.get(id=run_id).version.number == 1


def test_what_a_worker_has_and_what_has_ended_is_left_alone() -> None:
    run_id = waiting()
    Activation.objects.filter(run_id=run_id).update(state="leased", owner="w")
    assert "a worker has step 'rest'" in str(move(run_id, dry_run=True).hindrances[0])

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), is_forced=True)

    assert move(run_id, dry_run=True).hindrances[0].message == "the run has cancelled"


def test_step_between_two_attempts_goes_on_with_its_next_one() -> None:
    slow = call("fail_until", args={"attempt": 2}, retry={**AT_ONCE, "first": "60s"})
    run_id = begin({"a": slow, "b": call("noop", needs="a")})
    work(run_id)
    name = Run.objects.get(id=run_id).workflow_name
    api.publish({"name": name, "steps": {"zero": call("noop"), "a": slow, "c": call("noop", needs="a")}})

    move(run_id)
    work(run_id, is_patient=False)

    assert states(run_id) == dict.fromkeys(("zero", "a", "c"), "succeeded")


def test_run_that_begins_later_still_does() -> None:
    name = publish(STEPS)
    run_id = start(name, start_at=timezone.now() + timedelta(days=1))
    api.publish({"name": name, "steps": LONGER})

    move(run_id)

    rows = Activation.objects.filter(run_id=run_id)
    assert {row.wait_reason for row in rows} == {"delayed"}
    assert all(row.due_at > timezone.now() for row in rows)


def test_run_that_has_grown_is_told_so_wherever_it_stands() -> None:
    run_id = begin({"grow": call("grow_given", args={"steps": "${{ input.steps }}"})}, value={"steps": GROWN})
    work(run_id)
    run = Run.objects.get(id=run_id)
    assert Activation.objects.get(run_id=run_id).segment >= len(plans.program_of(run.version_id).plan.segments)
    api.publish({"name": run.workflow_name, "steps": STEPS})

    assert [problem.path for problem in move(run_id, dry_run=True).hindrances][:1] == ["$.steps"]
    with pytest.raises(MoveRefused, match="grown steps of its own"):
        move(run_id)
    assert Run.objects.get(id=run_id).version.number == 1


def test_many_are_moved_with_counts_that_add_up() -> None:
    name = publish(STEPS)
    resting, fresh = start(name), start(name)
    work(resting)
    Activation.objects.filter(run_id=fresh).update(state="leased", owner="w")
    api.publish({"name": name, "steps": LONGER})
    caller = api.client("runs:write")

    dry = caller.post("/api/v1/runs/move", {"workflow": name, "dry_run": True}, format="json").json()
    real = caller.post("/api/v1/runs/move", {"workflow": name, "from_version": 1}, format="json").json()

    assert (dry["matched"], dry["done"], dry["skipped"]) == (2, 0, {"dry_run": 1, "refused": 1})
    assert (real["matched"], real["done"], real["skipped"]) == (2, 1, {"refused": 1})


def test_surfaces_move_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [waiting() for _ in range(3)]
    path = f"/api/v1/runs/{runs[0]}/move"

    assert api.client("runs:read").post(path, {}, format="json").status_code == 403
    assert api.client("runs:write").post(path, {"version": 7}, format="json").status_code == 404
    assert api.client("runs:write").post(path, {}, format="json").json()["after"] == 2
    with contextlib.suppress(SystemExit):
        call_command("automation", "move", str(runs[1]), "--dry-run")
        call_command("automation", "move", str(runs[1]))
    assert "goes on from version 1 with 2" in capsys.readouterr().out
    browser = admin_pages.browser(admin_pages.user("view_run", "change_run"))
    page = reverse("admin:workflows_run_move", args=(runs[2],))
    assert page in browser.get(reverse("admin:workflows_run_change", args=(runs[2],))).content.decode()
    assert "can go on with version 2" in browser.post(page, {"act": "check"}, follow=True).content.decode()
    assert "goes on with version 2" in browser.post(page, {"act": "move"}, follow=True).content.decode()
    assert [Run.objects.get(id=run).version.number for run in runs] == [2, 2, 2]
