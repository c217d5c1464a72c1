"""Retries: where they begin, what they take over, on which version, with which input, and what is said of them."""

from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.flows.driving import TESTER, begin, call, publish, start, states, trail, trail_of, work
from tests.support import admin_pages, api
from workflows import operations, retries
from workflows.core.retry_plan import RetryFrom
from workflows.errors import (
    InputInvalid,
    NothingToUndo,
    RetryRefused,
    RetryUnderWay,
    RunNotEnded,
    WorkflowDisabled,
)
from workflows.models import Activation, Attempt, DeadLetter, Item, Run, Step
from workflows.operations import EditedInput, Retried, RetryWanted

pytestmark = pytest.mark.usefixtures("database")
ONCE = {"attempts": 1}
FAIL = call("fail_on", args={"value": "${{ input.v }}", "bad": 1}, retry=ONCE)
CHAIN = {"a": call("told"), "b": {**FAIL, "needs": "a"}, "c": call("noop", needs="b")}
BAD = {"v": 1}


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def retry(run_id: UUID, *, step: str = "", **more: object) -> Retried:
    """This will retry a run, from a step if one is named."""
    if step:
        more = {"start": RetryFrom.STEP, "step": step, **more}
    wanted = RetryWanted(**more)  # type: ignore[arg-type]  # the fields of RetryWanted, by name
    return operations.retry_run(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now())


def failed(steps: dict[str, object] = CHAIN, **more: object) -> UUID:
    """This will be a run that has failed because of its input."""
    run_id = begin(steps, value=BAD, **more)
    work(run_id)
    assert Run.objects.get(id=run_id).state == "failed"
    return run_id


def test_retry_of_what_failed_goes_on_in_its_run() -> None:
    run_id = failed()

    done = retry(run_id)

    assert (done.run_id, done.is_new_run) == (run_id, False)
    assert (done.plan.reused, list(done.plan.executed)) == (("a",), ["b", "c"])
    assert Run.objects.get(id=run_id).state == "running"


def test_retry_with_another_input_takes_results_over() -> None:
    run_id = failed()
    key = Step.objects.get(run_id=run_id, step="a").output["key"]

    done = retry(run_id, edited=EditedInput({"v": 2}))

    assert done.run_id not in (None, run_id)
    assert retries.standing_of([run_id]) == {run_id: "retrying"}
    assert DeadLetter.objects.get(run_id=run_id).trial == "pending"
    work(done.run_id)
    new = Run.objects.get(id=done.run_id)
    assert (new.state, new.input, states(new.id)) == ("succeeded", {"v": 2}, dict.fromkeys("abc", "succeeded"))
    taken = Step.objects.get(run_id=new.id, step="a")
    assert (taken.output["key"], taken.attempts) == (key, 0)
    assert "step.succeeded" in trail(new.id)
    assert trail_of(new.id, "steps.carried") == [{"of": str(run_id), "steps": ["a"]}]
    assert [told["retry"] for told in trail_of(run_id, "run.retried")] == [str(new.id)]
    assert retries.standing_of([run_id]) == {run_id: "succeeded"}
    assert DeadLetter.objects.get(run_id=run_id).trial == "succeeded"
    assert Run.objects.get(id=run_id).state == "failed"


def test_retry_that_fails_again_does_not_say_it_succeeded() -> None:
    run_id = failed()

    done = retry(run_id, step="a")
    assert done.run_id is not None
    work(done.run_id)

    assert retries.standing_of([run_id]) == {run_id: "failed"}
    assert DeadLetter.objects.get(run_id=run_id).trial == "failed"
    assert DeadLetter.objects.get(run_id=done.run_id).state == "open"


def test_cancelled_retry_gives_its_trials_up() -> None:
    run_id = failed()
    done = retry(run_id, start=RetryFrom.START)
    assert done.run_id is not None

    operations.cancel_run(run_id=done.run_id, actor=TESTER, now=timezone.now())

    assert retries.standing_of([run_id]) == {run_id: "cancelled"}
    assert DeadLetter.objects.get(run_id=run_id).trial == "given_up"


def test_retry_from_a_chosen_step_of_a_run_that_succeeded() -> None:
    steps = {
        "a": call("told"),
        "side": call("told"),
        "b": call("told", needs="a"),
        "c": call("told", needs=["b", "side"]),
    }
    run_id = begin(steps)
    work(run_id)

    done = retry(run_id, step="b")
    assert done.run_id is not None
    work(done.run_id)

    assert set(done.plan.reused) == {"a", "side"}
    keys = [dict(Step.objects.filter(run_id=one).values_list("step", "output__key")) for one in (run_id, done.run_id)]
    assert {step: keys[0][step] == keys[1][step] for step in "abc"} == {"a": True, "b": False, "c": False}
    assert Attempt.objects.filter(run_id=done.run_id).count() == 0


def test_items_and_choices_are_taken_over() -> None:
    steps = {
        "each": {"for_each": "${{ [1, 2, 3] }}", **call("echo", args={"value": "${{ item * 10 }}"})},
        "way": {"needs": "each", "uses": "switch", "with": {"value": "x", "cases": {"x": "left"}, "default": "right"}},
        "left": {**FAIL, "needs": "way"},
        "right": call("noop", needs="way"),
    }
    run_id = failed(steps, output={"values": "${{ steps.each.output }}"})

    done = retry(run_id, edited=EditedInput({"v": 2}))
    assert done.run_id is not None
    work(done.run_id)

    run = Run.objects.get(id=done.run_id)
    assert (run.state, run.output) == ("succeeded", {"values": [10, 20, 30]})
    assert states(run.id)["right"] == "skipped"
    assert Item.objects.filter(run_id=run.id).count() == 3


def test_only_one_retry_is_at_work() -> None:
    run_id = failed()
    first = retry(run_id, start=RetryFrom.START)

    with pytest.raises(RetryUnderWay) as refused:
        retry(run_id, start=RetryFrom.START)

    assert refused.value.retry == first.run_id
    assert Run.objects.filter(workflow_name=Run.objects.get(id=run_id).workflow_name).count() == 2


def test_run_at_work_and_input_that_does_not_fit_are_refused() -> None:
    run_id = failed(input={"type": "object", "properties": {"v": {"type": "integer"}}})

    with pytest.raises(InputInvalid):
        retry(run_id, edited=EditedInput({"v": "x"}))
    with pytest.raises(RunNotEnded):
        retry(start(publish(CHAIN), value=BAD))
    with pytest.raises(RetryRefused, match="no step 'z'"):
        retry(run_id, step="z")
    name = Run.objects.get(id=run_id).workflow_name
    operations.set_enabled(name=name, is_enabled=False, actor=TESTER, now=timezone.now())
    with pytest.raises(WorkflowDisabled):
        retry(run_id, step="a")


def test_retry_on_the_newest_version_needs_results_that_still_hold() -> None:
    run_id = failed()
    run = Run.objects.get(id=run_id)
    api.publish({"name": run.workflow_name, "steps": {**CHAIN, "b": call("noop", needs="a")}})

    mended = retry(run_id, on_newest=True)
    assert mended.run_id is not None
    work(mended.run_id)

    assert (mended.version, Run.objects.get(id=mended.run_id).state) == (2, "succeeded")
    other = start(run.workflow_name)
    work(other)
    api.publish(
        {"name": run.workflow_name, "steps": {"a": call("noop"), "b": call("noop", needs="a"), "c": CHAIN["c"]}}
    )
    with pytest.raises(RetryRefused) as refused:
        retry(other, step="c", on_newest=True)
    assert [problem.path for problem in refused.value.problems] == ["$.steps.a.with"]
    old = retry(other, step="c")
    assert (old.version, old.plan.reused) == (2, ("a", "b"))


def test_results_belong_to_the_run_that_took_them_over() -> None:
    undo = {"uses": "set", "with": {}}
    steps = {"a": call("told", undo=undo), "b": {**FAIL, "needs": "a"}}
    run_id = failed(steps, undo="on_demand")
    done = retry(run_id, edited=EditedInput({"v": 2}))
    assert done.run_id is not None
    work(done.run_id)

    with pytest.raises(NothingToUndo, match="has taken its results over"):
        operations.undo_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="x")
    with pytest.raises(RetryRefused, match="has taken its results over"):
        retry(run_id, step="b")
    operations.undo_run(run_id=done.run_id, actor=TESTER, now=timezone.now(), reason="x")
    work(done.run_id)
    assert states(done.run_id)["a:undo"] == "succeeded"


def test_what_was_undone_is_executed_again() -> None:
    steps = {"a": call("told", undo={"uses": "set", "with": {}}), "b": {**FAIL, "needs": "a"}}
    run_id = failed(steps)

    done = retry(run_id)

    assert done.is_new_run
    assert dict(done.plan.executed) == {"a": "undone", "b": "behind a"}


def test_many_are_retried_with_counts_that_add_up() -> None:
    name = publish(CHAIN)
    runs = [start(name, value=BAD) for _ in range(4)]
    work(*runs)
    retry(runs[0], start=RetryFrom.START)
    body = {"filter": {"workflow": name}, "from": "start", "dry_run": True}
    caller = api.client("runs:write")

    dry = caller.post("/api/v1/runs/retry", body, format="json").json()
    real = caller.post("/api/v1/runs/retry", {**body, "dry_run": False, "per_second": 0.01}, format="json").json()
    again = caller.post("/api/v1/runs/retry", {**body, "dry_run": False}, format="json").json()

    assert (dry["matched"], dry["done"], dry["skipped"]) == (4, 0, {"retry_under_way": 1, "dry_run": 3})
    assert (real["matched"], real["done"], real["skipped"]) == (4, 3, {"retry_under_way": 1})
    assert (again["matched"], again["done"], again["skipped"]) == (4, 0, {"retry_under_way": 4})
    paced = Activation.objects.filter(run__workflow_name=name, state="waiting").count()
    assert paced == 2


def test_retry_over_the_api_says_what_it_does() -> None:
    run_id = failed()
    caller, reader = api.client("runs:write", "runs:read"), api.client("runs:read")
    path = f"/api/v1/runs/{run_id}/retry"

    dry = caller.post(path, {"from": "step", "step": "c", "dry_run": True}, format="json")
    assert (dry.status_code, dry.json()["run"], dry.json()["executed"]["c"]) == (200, None, "chosen")
    assert reader.post(path, {}, format="json").status_code == 403
    assert caller.post(path, {"from": "step"}, format="json").status_code == 400
    assert caller.post(f"/api/v1/runs/{uuid4()}/retry", {}, format="json").status_code == 404
    refused = caller.post(path, {"from": "step", "step": "z"}, format="json")
    assert (refused.status_code, refused.json()["problems"][0]["path"]) == (409, "$.steps.z")
    done = caller.post(path, {"from": "start", "input": {"v": 3}, "reason": "fixed"}, format="json")
    assert done.status_code == 201
    new = done.json()["run"]
    assert caller.get(f"/api/v1/runs/{run_id}").json()["retries"][0]["run"] == new
    told = caller.get(f"/api/v1/runs/{new}").json()["retry_of"]
    assert (told["of"], told["start"], told["reason"], told["is_input_edited"]) == (str(run_id), "start", "fixed", True)
    work(UUID(new))
    assert caller.get(f"/api/v1/runs/{run_id}").json()["retries"][0]["state"] == "succeeded"


def test_pages_show_preview_and_retry(browser: Client) -> None:
    run_id = failed()
    page = reverse("admin:workflows_run_retry", args=(run_id,))
    form = {"from": "step:a", "version": "same", "input": '{"v": 2}', "reason": "fixed"}

    assert page in browser.get(reverse("admin:workflows_run_change", args=(run_id,))).content.decode()
    assert "step b" in browser.get(page).content.decode()
    shown = browser.post(page, {**form, "act": "preview"}).content.decode()
    assert "A new run on version 1." in shown
    assert "is not JSON" in browser.post(page, {**form, "input": "{", "act": "retry"}).content.decode()
    done = browser.post(page, {**form, "act": "retry"})
    assert done.status_code == 302
    assert "is being retried by run" in browser.post(page, {**form, "act": "retry"}).content.decode()
    (told,) = retries.retries_of(run_id)
    assert (told.step, told.is_input_edited, told.reason) == ("a", True, "fixed")
    assert "retrying" in browser.get(reverse("admin:workflows_run_change", args=(run_id,))).content.decode()
    assert "Retries" in browser.get(done["Location"]).content.decode()
    assert admin_pages.browser(admin_pages.user("view_run")).get(page).status_code == 403


def test_selected_runs_are_retried_after_they_were_counted(browser: Client) -> None:
    name = publish(CHAIN)
    runs = [start(name, value=BAD) for _ in range(3)]
    work(*runs[:2])
    chosen = {"action": "retry_selected", "_selected_action": [str(run) for run in runs], "from": "start"}
    address = reverse("admin:workflows_run_changelist")

    counted = browser.post(address, chosen).content.decode()
    told = browser.post(address, {**chosen, "confirmed": "yes"}, follow=True).content.decode()

    assert "3 selected: 2 would be retried, 1 not ended." in counted
    assert "3 selected: 2 retried, 1 not ended." in told
    assert "retrying" in told
