"""Results set by hand: of what failed, waits or is in a worker's hands; who may, and what is kept of it."""

import contextlib
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from tests.flows.driving import TESTER, aside, begin, call, finish, states, trail, trail_of, work
from tests.support import admin_pages, api
from tests.support.waiting import wait_until
from workflows import operations
from workflows.errors import InputInvalid, ResultRefused
from workflows.models import DeadLetter, InputOverride, Run, Step
from workflows.operations import SetResult

pytestmark = pytest.mark.usefixtures("database")
ONCE = {"attempts": 1}
FAIL = call("fail_on", args={"value": 1, "bad": 1}, retry=ONCE)
CHAIN = {"a": FAIL, "b": call("echo", needs="a", args={"value": "${{ steps.a.output.n }}"})}


def put(run_id: UUID, step: str, output: object, *, index: int | None = None, reason: str = "by telephone") -> None:
    """This will set a result by hand."""
    wanted = SetResult(step=step, output=output, reason=reason, index=index)  # type: ignore[arg-type]  # JSON
    operations.set_result(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now())


def test_run_goes_on_from_what_had_failed() -> None:
    run = finish(CHAIN)

    put(run.id, "a", {"n": 1.5})
    work(run.id)

    assert states(run.id) == {"a": "succeeded", "b": "succeeded"}
    assert Step.objects.get(run_id=run.id, step="b").output == 1.5
    (told,) = trail_of(run.id, "result.set")
    assert (told["step"], told["after"], told["reason"]) == ("a", '{"n":1.5}', "by telephone")
    assert "refused" in str(told["before"])
    assert DeadLetter.objects.get(run_id=run.id).trial == "succeeded"
    assert not InputOverride.objects.filter(run_id=run.id).exists()


def test_step_that_waits_need_not_wait_any_more() -> None:
    run_id = begin({"rest": {"uses": "wait", "with": {"for": "3d"}}, "b": call("noop", needs="rest")})
    work(run_id)

    put(run_id, "rest", {"early": True})
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert Step.objects.get(run_id=run_id, step="rest").output == {"early": True}


def test_worker_that_has_the_step_is_fenced_off(tmp_path: Path) -> None:
    ledger, gate = tmp_path / "ledger", tmp_path / "gate"
    effect = call("effect", args={"ledger": str(ledger), "gate": str(gate)})
    run_id = begin({"a": effect, "b": call("noop", needs="a")})
    worker = aside(lambda: work(run_id))
    wait_until(ledger.exists, what="the worker has begun")

    put(run_id, "a", "by hand")
    gate.touch()
    worker.join(timeout=120)
    work(run_id)

    assert Step.objects.get(run_id=run_id, step="a").output == "by hand"
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert trail(run_id).count("step.discarded") == 1


def test_item_that_failed_gets_its_result() -> None:
    each = {"for_each": "${{ [1, 2, 3] }}", **call("fail_on", args={"value": "${{ item }}", "bad": 2}, retry=ONCE)}
    run = finish({"each": each}, output={"all": "${{ steps.each.output }}"})
    assert run.state == "failed"

    with pytest.raises(ResultRefused, match="say which item"):
        put(run.id, "each", [])
    with pytest.raises(ResultRefused, match="no open dead letter"):
        put(run.id, "each", 1, index=0)
    put(run.id, "each", "two", index=1)
    work(run.id)

    done = Run.objects.get(id=run.id)
    assert done.state == "succeeded"
    assert done.output["all"][1] == "two"


def test_undo_that_failed_can_be_done_by_hand() -> None:
    run = finish({"a": call("noop", undo=FAIL), "b": {**FAIL, "needs": "a"}})
    assert states(run.id)["a:undo"] == "failed"

    put(run.id, "a:undo", None)
    work(run.id)

    assert states(run.id)["a:undo"] == "succeeded"
    assert Run.objects.get(id=run.id).state == "failed"


@pytest.mark.parametrize(
    ("step", "why"), [("a", "has succeeded already"), ("z", "no such step"), ("c", "has not begun"), ("s", "gives no")]
)
def test_what_cannot_be_set_is_refused(step: str, why: str) -> None:
    switch = {"uses": "switch", "with": {"value": "x", "cases": {"x": "c"}}, "needs": "b"}
    later = {"uses": "wait", "needs": "a", "with": {"for": "1d"}}
    run_id = begin({"a": call("noop"), "b": later, "s": switch, "c": call("noop", needs="s")})
    work(run_id)

    with pytest.raises(ResultRefused, match=why):
        put(run_id, step, 1)
    assert Run.objects.get(id=run_id).round == 0
    assert not InputOverride.objects.filter(run_id=run_id).exists()


def test_reason_and_size_are_checked() -> None:
    run = finish(CHAIN)

    with pytest.raises(InputInvalid, match="is empty"):
        put(run.id, "a", 1, reason=" ")
    with pytest.raises(InputInvalid, match="at most"):
        put(run.id, "a", "x" * 10_000_000)
    with pytest.raises(InputInvalid, match="NUL"):
        put(run.id, "a", "\x00")


def test_surfaces_set_a_result_for_who_may() -> None:
    runs = [finish(CHAIN) for _ in range(3)]
    body = {"output": {"n": 1}, "reason": "x"}
    path = f"/api/v1/runs/{runs[0].id}/steps/a/result"

    assert api.client("runs:write").post(path, body, format="json").status_code == 403
    assert api.client("results:write").post(path, {"output": 1}, format="json").status_code == 400
    assert api.client("results:write").post(path, body, format="json").status_code == 200
    assert api.client("results:write").post(path.replace("/a/", "/b/"), body, format="json").status_code == 409
    with contextlib.suppress(SystemExit):
        call_command("automation", "set-result", str(runs[1].id), "a", '{"n": 1}', "--reason", "x")
    with pytest.raises(CommandError, match="no such step"):
        call_command("automation", "set-result", str(runs[1].id), "z", "1", "--reason", "x")
    page = reverse("admin:workflows_run_result", args=(runs[2].id, "a"))
    reader = admin_pages.browser(admin_pages.user("view_run"))
    person = admin_pages.browser(admin_pages.user("view_run", "set_result"))
    change = reverse("admin:workflows_run_change", args=(runs[2].id,))
    assert page not in reader.get(change).content.decode()
    assert page in person.get(change).content.decode()
    assert reader.post(page, {"output": "{}", "reason": "x"}).status_code == 403
    assert "is not JSON" in person.post(page, {"output": "{", "reason": "x"}, follow=True).content.decode()
    assert "goes on from a" in person.post(page, {"output": '{"n": 1}', "reason": "x"}, follow=True).content.decode()
    for run in runs:
        work(run.id)
        assert Run.objects.get(id=run.id).state == "succeeded"
