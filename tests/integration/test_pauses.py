"""Pauses: no further step begins, what runs ends, all that waits says why, and a resume brings all of it back."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from tests.flows.driving import (
    AT_ONCE,
    TESTER,
    aside,
    begin,
    call,
    claimable,
    publish,
    start,
    states,
    trail,
    waits_for,
    work,
)
from tests.flows.ledger import Ledger
from tests.support import api
from tests.support.waiting import wait_until
from workflows import explaining, operations, pause_store, queries, timeline
from workflows.admin import waits
from workflows.core.pausing import PauseScope
from workflows.dispatch import sweeps
from workflows.errors import NotPaused, PauseInvalid, RunEnded, UnknownRun, UnknownWorkflow
from workflows.execution import shift
from workflows.models import Activation, Pause, Run

pytestmark = pytest.mark.usefixtures("clean_up")
TWO = {"first": call("noop"), "second": call("noop", needs="first")}


@pytest.fixture
def clean_up(database: None) -> Iterator[None]:
    """This will leave nothing paused."""
    yield
    for row in Pause.objects.all():
        operations.resume(scope=PauseScope(row.scope), name=row.name, actor=TESTER, now=timezone.now())


def pause(scope: PauseScope, name: object = "", **more: bool) -> Pause:
    """This will pause something because of a test."""
    wanted = operations.PauseWanted(scope=scope, name=str(name), reason="a test", **more)
    return operations.pause(wanted, actor=TESTER, now=timezone.now())[0]


def resume(scope: PauseScope, name: object = "") -> int:
    """This will let it go on."""
    return operations.resume(scope=scope, name=str(name), actor=TESTER, now=timezone.now())


def name_for(scope: PauseScope, *, run_id: UUID) -> str:
    """This will name what a run is under."""
    run = Run.objects.get(id=run_id)
    return {PauseScope.RUN: str(run_id), PauseScope.WORKFLOW: run.workflow_name, PauseScope.LANE: "default"}.get(
        scope, ""
    )


@pytest.mark.parametrize("scope", [PauseScope.RUN, PauseScope.WORKFLOW, PauseScope.LANE, PauseScope.PLATFORM])
def test_paused_run_begins_nothing_until_it_is_resumed(scope: PauseScope) -> None:
    run_id = begin(TWO)
    name = name_for(scope, run_id=run_id)
    pause(scope, name)

    work(run_id)
    assert states(run_id) == {}
    assert waits_for(run_id) == ("waiting", "paused")
    assert resume(scope, name) >= 1
    assert waits_for(run_id) == ("ready", "worker")
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"


def test_step_under_way_ends_and_the_next_one_does_not_begin(tmp_path: Path) -> None:
    ledger, gate = Ledger(tmp_path / "ledger"), tmp_path / "gate"
    act = call("effect", args={"ledger": str(ledger.path), "gate": str(gate)})
    run_id = begin({"first": act, "second": {**act, "needs": "first"}})
    worker = aside(lambda: work(run_id))
    wait_until(lambda: bool(ledger.entries("begin")), what="the first step is under way")

    pause(PauseScope.RUN, run_id)
    gate.touch()
    worker.join(timeout=120)

    assert states(run_id) == {"first": "succeeded"}
    assert [entry.step for entry in ledger.entries("begin")] == ["first"]
    assert waits_for(run_id) == ("waiting", "paused")
    resume(PauseScope.RUN, run_id)
    work(run_id)
    assert [entry.step for entry in ledger.entries("effect")] == ["first", "second"]


def test_branches_and_items_stop_between_two_of_them(tmp_path: Path) -> None:
    ledger, gate = Ledger(tmp_path / "ledger"), tmp_path / "gate"
    act = call("effect", args={"ledger": str(ledger.path), "gate": str(gate)})
    run_id = begin({"a": act, "each": {**act, "for_each": [1, 2, 3], "parallel": 1}, "end": call("noop", needs="a")})
    worker = aside(lambda: work(run_id))
    wait_until(lambda: bool(ledger.entries("begin")), what="something is under way")

    pause(PauseScope.RUN, run_id)
    gate.touch()
    worker.join(timeout=120)

    begun = len(ledger.entries("begin"))
    assert begun <= 2, "what had begun has ended, and no more has begun"
    assert set(Activation.objects.filter(run_id=run_id).values_list("wait_reason", flat=True)) == {"paused"}
    resume(PauseScope.RUN, run_id)
    work(run_id)
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert set(ledger.effects_by_key().values()) == {1}
    assert len(ledger.effects_by_key()) == 4


def test_pause_of_new_runs_lets_those_under_way_go_on() -> None:
    workflow = publish(TWO)
    before = start(workflow)
    pause(PauseScope.WORKFLOW, workflow, starts_only=True)
    after = start(workflow)

    work(before, after)

    assert Run.objects.get(id=before).state == "succeeded"
    assert waits_for(after) == ("waiting", "paused")


def test_other_workflows_go_on() -> None:
    pause(PauseScope.WORKFLOW, publish(TWO))
    run_id = begin(TWO)

    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"


def test_what_two_pauses_cover_waits_for_both() -> None:
    run_id = begin(TWO)
    workflow = Run.objects.get(id=run_id).workflow_name
    pause(PauseScope.RUN, run_id)
    pause(PauseScope.WORKFLOW, workflow)
    work(run_id)

    resume(PauseScope.RUN, run_id)
    work(run_id)

    assert Activation.objects.get(run_id=run_id).wait_object == f"workflow {workflow}"
    resume(PauseScope.WORKFLOW, workflow)
    work(run_id)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_pause_costs_no_attempt_and_none_of_the_time_retries_may_take(tmp_path: Path) -> None:
    step = call("fail_unless", args={"path": str(tmp_path / "gate")}, retry={**AT_ONCE, "budget": "10m"})
    run_id = begin({"ask": step})
    shift.execute(claimable(run_id))
    before = Activation.objects.get(run_id=run_id)
    pause(PauseScope.RUN, run_id)
    work(run_id)
    Activation.objects.filter(run_id=run_id).update(step_started_at=timezone.now() - timedelta(hours=2))

    resume(PauseScope.RUN, run_id)

    after = Activation.objects.get(run_id=run_id)
    assert (before.attempt, after.attempt) == (2, 2)
    assert before.first_attempt_at is not None
    assert after.first_attempt_at is not None
    assert after.first_attempt_at - before.first_attempt_at > timedelta(hours=1, minutes=59)


def test_waiting_run_says_who_paused_it_and_why_on_every_surface(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = publish(TWO)
    run_id = start(workflow)
    pause(PauseScope.WORKFLOW, workflow)

    before = explaining.explain(queries.get_run(run_id=run_id))
    work(run_id)
    after = explaining.explain(queries.get_run(run_id=run_id))
    story = timeline.find_story(run_id)
    call_command("automation", "pauses")

    told = f"is paused with the workflow {workflow}: a test, by system:test"
    for found in (before, after):
        (reason,) = found.reasons
        assert (reason.reason, reason.object_kind, reason.object_name) == ("paused", "pause", f"workflow {workflow}")
        assert reason.says.startswith(told)
        assert reason.ends_when == f"somebody resumes the workflow {workflow}"
        assert reason.until is None
    assert story is not None
    assert waits.sentences(story, now=timezone.now())[0].text == told
    assert f"workflow {workflow}" in capsys.readouterr().out
    answer = api.client("runs:read").get(f"/api/v1/runs/{run_id}").json()
    assert [(wait["reason"], wait["due_at"]) for wait in answer["waits"]] == [("paused", None)]


def test_pause_and_resume_are_written_into_the_trail_of_a_run() -> None:
    run_id = begin(TWO)
    pause(PauseScope.RUN, run_id)
    pause(PauseScope.RUN, run_id)
    resume(PauseScope.RUN, run_id)

    assert trail(run_id) == ["run.started", "pause.begun", "pause.ended"]


def test_sweep_gives_back_what_was_set_aside_for_a_pause_that_is_over() -> None:
    """A worker that had read the pauses just before the resume sets work aside just after it."""
    run_id = begin(TWO)
    (claim,) = shift.store.claim(refs=claimable(run_id), owner="somebody:1", lease_s=60)
    pause_store.set_aside(rows=[{"id": claim.id, "epoch": claim.epoch, "object": f"run {run_id}"}])

    sweeps.sweep(now=timezone.now())

    assert waits_for(run_id) == ("ready", "worker")


def test_pause_of_a_run_ends_with_the_run() -> None:
    run_id = begin(TWO)
    pause(PauseScope.RUN, run_id)
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    sweeps.sweep(now=timezone.now())

    assert not Pause.objects.filter(name=str(run_id)).exists()
    assert trail(run_id)[-1] == "pause.ended"


def test_deadline_goes_on_unless_the_pause_holds_it() -> None:
    now = timezone.now()
    going, held = begin(TWO, deadline="1h"), begin(TWO, deadline="1h")
    pause(PauseScope.RUN, going)
    pause(PauseScope.RUN, held, holds_deadlines=True)

    sweeps.sweep(now=now + timedelta(hours=2))
    assert [Run.objects.get(id=one).state for one in (going, held)] == ["failed", "running"]
    operations.resume(scope=PauseScope.RUN, name=str(held), actor=TESTER, now=now + timedelta(hours=2))

    deadline_at = Run.objects.get(id=held).deadline_at
    assert deadline_at is not None
    assert deadline_at - now > timedelta(hours=2, minutes=59)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"scope": PauseScope.RUN, "name": "7"}, PauseInvalid),
        ({"scope": PauseScope.RUN, "name": str(UUID(int=7))}, UnknownRun),
        ({"scope": PauseScope.WORKFLOW, "name": "never-published"}, UnknownWorkflow),
        ({"scope": PauseScope.WORKFLOW}, PauseInvalid),
        ({"scope": PauseScope.LANE, "name": "fast"}, PauseInvalid),
        ({"scope": PauseScope.CONNECTION, "name": "nowhere"}, PauseInvalid),
        ({"scope": PauseScope.PLATFORM, "name": "all"}, PauseInvalid),
        ({"scope": PauseScope.PLATFORM, "reason": " "}, PauseInvalid),
        ({"scope": PauseScope.LANE, "name": "default", "holds_deadlines": True}, PauseInvalid),
    ],
)
def test_what_cannot_be_paused_is_refused(wanted: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        operations.pause(
            operations.PauseWanted(**{"reason": "a test", **wanted}),  # type: ignore[arg-type]  # by name
            actor=TESTER,
            now=timezone.now(),
        )

    assert not Pause.objects.exists()


def test_run_that_has_ended_is_not_paused() -> None:
    run_id = begin(TWO)
    work(run_id)

    with pytest.raises(RunEnded):
        pause(PauseScope.RUN, run_id)
    with pytest.raises(NotPaused):
        resume(PauseScope.RUN, run_id)


def test_pause_over_http_asks_for_the_scope_of_what_is_paused() -> None:
    run_id = begin(TWO)
    runs, admin = api.client("runs:write"), api.client("admin")
    of_run = {"scope": "run", "name": str(run_id), "reason": "look first"}

    made = runs.post("/api/v1/pauses", of_run, format="json")
    again = runs.post("/api/v1/pauses", of_run, format="json")
    refused = runs.post("/api/v1/pauses", {"scope": "platform", "reason": "all"}, format="json")
    listed = admin.get("/api/v1/pauses").json()["results"]
    resumed = runs.post("/api/v1/pauses/resume", {"scope": "run", "name": str(run_id)}, format="json")
    gone = runs.post("/api/v1/pauses/resume", {"scope": "run", "name": str(run_id)}, format="json")
    wrong = admin.post("/api/v1/pauses", {"scope": "lane", "name": "fast", "reason": "x"}, format="json")

    assert [answer.status_code for answer in (made, again, refused, resumed, gone, wrong)] == [
        201,
        200,
        403,
        200,
        404,
        422,
    ]
    assert [(one["scope"], one["name"], one["reason"]) for one in listed] == [("run", str(run_id), "look first")]
    assert wrong.json()["type"] == "urn:problem-type:automation:pause-invalid"


def test_command_line_pauses_and_resumes(capsys: pytest.CaptureFixture[str]) -> None:
    run_id = begin(TWO)

    call_command("automation", "pause", "run", str(run_id), "--reason", "look first")
    call_command("automation", "resume", "run", str(run_id))

    assert f"run {run_id} is paused" in capsys.readouterr().out
    with pytest.raises(CommandError, match="there is no pause of the run") as raised:
        call_command("automation", "resume", "run", str(run_id))
    assert raised.value.returncode == 2
