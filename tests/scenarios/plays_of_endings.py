"""How runs end, as plays of `test_killed_in_flow.py`: undo, `finally`, a grace, and what becomes of runs below."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, begin, call, publish, states, trail, wait_for_end
from tests.scenarios.killing import Scene, Stage
from tests.support.waiting import wait_until
from workflows import operations
from workflows.models import ChildRun, DeadLetter, Incident, Run

REST = {"rest": {"uses": "wait", "with": {"for": "1d"}}}
REFUSED = call("fail_on", args={"value": 1, "bad": 1})


def undo_goes_on(on: Stage) -> Scene:
    """An undo that was not committed is done again with the same key; the others are not."""
    undo = call("effect", args=on.act, retry=AT_ONCE)
    steps = {
        "one": call("effect", args=on.act, undo=undo),
        "two": call("effect", needs="one", args=on.act, undo=undo),
        "fail": {**REFUSED, "needs": "two"},
    }
    run_id = on.begin(steps, "step.succeeded", at={"step": "two:undo"})
    yield
    _check_undone(on, run_id, lost="two:undo")


def undo_on_demand_goes_on(on: Stage) -> Scene:
    """So is one that somebody has asked for."""
    undo = call("effect", args=on.act, retry=AT_ONCE)
    steps = {
        "one": call("effect", args=on.act, undo=undo),
        "two": call("effect", needs="one", args=on.act, undo=undo),
        "fail": {**REFUSED, "needs": "two"},
    }
    run_id = begin(steps, undo="on_demand")
    wait_for_end(run_id)
    assert "one:undo" not in states(run_id)
    with transaction.atomic():
        operations.undo_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="a test")
        on.stop("step.succeeded", run_id, step="one:undo")
    yield
    _check_undone(on, run_id, lost="one:undo")


def _check_undone(on: Stage, run_id: UUID, *, lost: str) -> None:
    (run,) = wait_for_end(run_id)
    assert (run.state, on.done(run_id)) == ("failed", ["one", "two", "two:undo", "one:undo"])
    on.check_lost(run_id, lost)


def failed_undo_is_told(on: Stage) -> Scene:
    """An undo that fails for good leaves one dead letter and its incident, whoever dies over it."""
    undo = {**REFUSED, "retry": AT_ONCE}
    steps = {"one": call("effect", args=on.act, undo=undo), "fail": {**REFUSED, "needs": "one"}}
    run_id = on.begin(steps, "step.failed", at={"step": "one:undo"})
    yield
    (run,) = wait_for_end(run_id)
    assert run.error is not None
    assert (run.state, run.error["message"][-15:]) == ("failed", "not undone: one")
    letter = DeadLetter.objects.get(run_id=run_id, step="one:undo")
    assert Incident.objects.get(fingerprint=letter.fingerprint).state == "open"
    on.check_lost(run_id, "one:undo")


def finally_goes_on(on: Stage) -> Scene:
    """What tidies up does so in the end, and the run ends behind it."""
    more: dict[str, Any] = {"finally": {"tidy": call("effect", args=on.act, retry=AT_ONCE)}}  # Any: see `begin`
    run_id = on.begin({"only": call("effect", args=on.act)}, "step.succeeded", at={"step": "tidy"}, **more)
    yield
    (run,) = wait_for_end(run_id)
    assert (run.state, on.done(run_id)) == ("succeeded", ["only", "tidy"])
    on.check_lost(run_id, "tidy")
    assert trail(run_id).count("run.ending") == trail(run_id).count("run.succeeded") == 1


def grace_is_not_given_twice(on: Stage) -> Scene:
    """A step that ends within the grace counts if its end was committed; else nobody begins it again."""
    undo = call("effect", args=on.act)
    run_id = begin({"deaf": call("work_until_told", args={**on.act, "heeds": False}, undo=undo, retry=AT_ONCE)})
    wait_until(lambda: on.ledger.entries("begin", run_id=run_id), what="it has begun")
    on.stop("step.succeeded", run_id, step="deaf")
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), grace_s=600)
    yield
    (run,) = wait_for_end(run_id)
    assert run.state == "cancelled"
    assert states(run_id) == ({"deaf": "succeeded", "deaf:undo": "succeeded"} if on.is_kept else {"deaf": "cancelled"})
    assert len(on.ledger.entries("begin", run_id=run_id, step="deaf")) == 1


def told_step_is_stopped_once(on: Stage) -> Scene:
    """A step that heeds its cancel is cancelled, and what it did not do is not undone."""
    undo = call("effect", args=on.act)
    run_id = begin({"told": call("work_until_told", args=on.act, undo=undo, retry=AT_ONCE)})
    wait_until(lambda: on.ledger.entries("begin", run_id=run_id), what="it has begun")
    on.stop("step.cancelled", run_id, step="told")
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), grace_s=600)
    yield
    (run,) = wait_for_end(run_id)
    assert (run.state, states(run_id)) == ("cancelled", {"told": "cancelled"})
    assert [entry.event for entry in on.ledger.entries(run_id=run_id)] == ["begin", "told"]


def items_start_one_run_each(on: Stage) -> Scene:
    """Each item has its run, whoever dies between its start and the commit that the item waits for it."""
    name = publish({"act": call("effect", args=on.act)}, output="${{ steps.act.output }}")
    sub = {"uses": "workflow", "with": {"name": name}, "for_each": [1, 2, 3], "parallel": 2}
    run_id = on.begin({"child": sub, "after": call("noop", needs="child")}, "items.parked", at={"indexes": [0]})
    yield
    (run,) = wait_for_end(run_id)
    children = Run.objects.filter(id__in=ChildRun.objects.filter(parent_id=run_id).values("child_id"))
    assert (run.state, [child.state for child in children]) == ("succeeded", ["succeeded"] * 3)
    assert Run.objects.filter(correlation_id=str(run_id)).count() == 4
    effects = [one for child in children for one in on.ledger.entries("effect", run_id=child.id)]
    assert len({one.key for one in effects}) == 3


def _child(on: Stage, policy: str, *, wanted: str) -> Scene:
    inputs = {"name": publish(REST), "mode": "detach", "on_parent_end": policy}
    run_id = on.begin({"child": {"uses": "workflow", "with": inputs}}, "run.succeeded", at={})
    yield
    (run,) = wait_for_end(run_id)
    (link,) = ChildRun.objects.filter(parent_id=run_id)
    wait_until(lambda: Run.objects.get(id=link.child_id).state == wanted, what=f"the run below is {wanted}")
    assert run.state == "succeeded"
    assert trail(link.child_id).count("run.cancelled") == (1 if wanted == "cancelled" else 0)
    if policy == "abandon":
        assert link.order == ""


def child_is_cancelled(on: Stage) -> Scene:
    """The run below ends with its parent."""
    return _child(on, "cancel", wanted="cancelled")


def child_is_asked_to_cancel(on: Stage) -> Scene:
    """The run below is asked to end."""
    return _child(on, "request", wanted="cancelled")


def child_is_abandoned(on: Stage) -> Scene:
    """The run below goes on."""
    return _child(on, "abandon", wanted="running")


def child_ends_before_its_parent(on: Stage) -> Scene:
    """A parent that returns early ends when the run it had waited for has been cancelled."""
    bottom = publish(REST)
    steps = {
        "child": {"uses": "workflow", "with": {"name": bottom}},
        "look": {"uses": "wait", "with": {"for": "200ms"}},
        "enough": {"needs": "look", "uses": "return", "with": {}},
    }
    run_id = on.begin(steps, "step.succeeded", at={"step": "enough"})
    yield
    (run,) = wait_for_end(run_id)
    child = Run.objects.get(id=ChildRun.objects.get(parent_id=run_id).child_id)
    assert (run.state, child.state, states(run_id)["child"]) == ("succeeded", "cancelled", "cancelled")
    assert child.ended_at is not None
    assert run.ended_at is not None
    assert child.ended_at <= run.ended_at


PLAYS = (
    undo_goes_on,
    undo_on_demand_goes_on,
    failed_undo_is_told,
    finally_goes_on,
    grace_is_not_given_twice,
    told_step_is_stopped_once,
    items_start_one_run_each,
    child_is_cancelled,
    child_is_asked_to_cancel,
    child_is_abandoned,
    child_ends_before_its_parent,
)
