"""Dry runs on the real engine: nothing goes outside, nothing counts, everything is marked."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_httpserver import HTTPServer

from audit import queries as audit
from integrations import http, queries
from integrations.models import Call
from tests.flows import driving
from tests.support import admin_pages
from tests.support.api import client
from tests.support.calling import charge, shop_at
from workflows import operations, overview, registry
from workflows.core.context import StepContext
from workflows.errors import InputInvalid, RetryRefused, StartKeyReused
from workflows.models import Attempt, ChildRun, DeadLetter, HumanRequest, Run, Step, Workflow
from workflows.operations import Dry

pytestmark = pytest.mark.usefixtures("database", "_tidy")
called: list[str] = []


@pytest.fixture
def _tidy() -> Iterator[None]:
    called.clear()
    yield
    http.close_connections()
    queries.forget_connections()


@pytest.fixture(autouse=True)
def functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """This will register a function with an effect, one that only computes, and one that is pure and fails."""
    monkeypatch.setattr(registry, "_functions", dict(registry._functions))

    @registry.function(name="dry.effect")
    def effect() -> str:
        called.append("effect")
        return "done"

    @registry.function(name="dry.pure", pure=True)
    def pure(context: StepContext) -> bool:
        called.append("pure")
        return context.is_dry_run

    @registry.function(name="dry.broken", pure=True)
    def broken() -> None:
        called.append("broken")
        raise ValueError("it cannot be computed")


def python(name: str, **more: object) -> dict[str, object]:
    """This will be a step that calls one of them."""
    return {"uses": "python", "with": {"call": f"dry.{name}"}, **more}


def dry(steps: Mapping[str, object], pins: Mapping[str, Any] | None = None, **more: object) -> Run:
    """This will publish steps and carry a dry run of them to its end."""
    run_id = driving.start(driving.publish(steps, **more), dry=Dry(pins=dict(pins or {})))
    driving.work(run_id, is_patient=False)
    return Run.objects.get(id=run_id)


def outputs(run: Run) -> dict[str, object]:
    """This will give what its steps gave."""
    return dict(Step.objects.filter(run_id=run.id).values_list("step", "output"))


def test_nothing_goes_outside(httpserver: HTTPServer) -> None:
    shop = shop_at(httpserver.url_for(""))

    refused = dry(charge(shop))
    placed = dry(charge(shop), {"unpinned": "placeholder"})
    pinned = dry(charge(shop), {"steps": {"charge": {"output": {"status": 200}}}})

    assert (refused.state, placed.state, pinned.state) == ("failed", "succeeded", "succeeded")
    assert refused.error is not None
    assert "nothing is pinned for charge" in refused.error["message"]
    assert outputs(pinned) == {"charge": {"status": 200}}
    assert httpserver.log == []
    assert not Call.objects.filter(run_id__in=[refused.id, placed.id, pinned.id]).exists()


def test_only_functions_that_promise_it_are_called() -> None:
    run = dry({"a": python("pure"), "b": python("effect", needs="a")}, {"steps": {"b": {"output": "as pinned"}}})

    assert called == ["pure"]
    assert outputs(run) == {"a": True, "b": "as pinned"}


def test_failures_are_not_tried_again_and_leave_nothing_to_do() -> None:
    retry = {"attempts": 5, "first": "0s", "jitter": "none"}
    computed = dry({"a": python("broken", retry=retry)})
    pins = {"steps": {"a": {"fails": {"kind": "unavailable", "message": "away"}}}}
    pinned = dry({"a": {"uses": "http.request", "with": {"url": "https://x.test/"}, "retry": retry}}, pins)

    assert called == ["broken"]
    assert pinned.error is not None
    assert (computed.state, pinned.error["kind"], pinned.error["message"]) == ("failed", "unavailable", "away")
    assert Attempt.objects.filter(run_id__in=[computed.id, pinned.id]).count() == 2
    assert not DeadLetter.objects.filter(run_id__in=[computed.id, pinned.id]).exists()


def test_items_have_pins_of_their_own_and_rounds_end_at_once() -> None:
    rounds = {"condition": "${{ output == 'never' }}", "times": 3, "every": "1h"}
    steps = {"a": python("effect", for_each=[1, 2]), "b": python("effect", repeat_until=rounds)}

    pins = {"steps": {"a": {"items": ["one", "two"]}, "b": {"output": "once"}}}
    run = dry(steps, pins, output={"a": "${{ steps.a.output }}", "b": "${{ steps.b.output }}"})

    assert (run.state, run.output) == ("succeeded", {"a": ["one", "two"], "b": "once"})


def test_nobody_is_asked_and_no_clock_is_waited_for() -> None:
    steps = {
        "rest": {"uses": "wait", "with": {"for": "3d"}},
        "ok": {"needs": "rest", "uses": "approval", "with": {"groups": ["finance"]}},
    }

    asked = dry(steps)
    pinned = dry(steps, {"steps": {"ok": {"output": {"approved": True}}}})

    assert (asked.state, pinned.state) == ("failed", "succeeded")
    assert not HumanRequest.objects.filter(run_id__in=[asked.id, pinned.id]).exists()


def test_undo_is_answered_like_any_step() -> None:
    undone = {"uses": "http.request", "with": {"url": "https://x.test/undo", "method": "POST"}}
    steps = {
        "a": {"uses": "http.request", "with": {"url": "https://x.test/do", "method": "POST"}, "undo": undone},
        "b": {"needs": "a", **python("broken")},
    }

    run = dry(steps, {"steps": {"a": {"output": 1}, "a:undo": {"output": "taken back"}}})

    assert (run.state, outputs(run)["a:undo"]) == ("failed", "taken back")


def test_runs_it_starts_are_dry_too() -> None:
    child = driving.publish({"x": python("effect"), "y": python("pure", needs="x")}, output="${{ steps.x.output }}")
    steps = {"ship": {"uses": "workflow", "with": {"name": child}}}

    run_id = driving.start(
        driving.publish(steps), dry=Dry(pins={"steps": {"ship": {"pins": {"steps": {"x": {"output": "L-1"}}}}}})
    )
    driving.work(run_id)
    started = ChildRun.objects.get(parent_id=run_id).child_id
    driving.work(started, run_id, is_patient=False)
    driving.work(run_id, is_patient=False)

    assert Run.objects.get(id=started).is_dry
    assert Step.objects.get(run_id=run_id).output["output"] == "L-1"
    assert called == ["pure"]


def test_limits_and_gates_are_not_used() -> None:
    limit = f"limit-{uuid4().hex[:12]}"
    operations.set_limit(name=limit, capacity=0, actor=driving.TESTER, now=timezone.now())
    workflow = driving.publish({"a": python("pure", limits=[limit])}, rate_limit={"limit": 1, "period": "1h"})

    runs = [driving.start(workflow, dry=Dry()) for _ in range(3)]
    driving.work(*runs, is_patient=False)

    assert set(Run.objects.filter(id__in=runs).values_list("state", flat=True)) == {"succeeded"}


def test_outputs_of_an_earlier_run_fill_the_gaps(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/charges").respond_with_json({"id": "ch_7"})
    steps = {**charge(shop_at(httpserver.url_for(""))), "b": python("effect", needs="charge", for_each=[1, 2])}
    told = {"charge": "${{ steps.charge.output.body.id }}", "b": "${{ steps.b.output }}"}
    workflow = driving.publish(steps, output=told)
    real = driving.start(workflow)
    driving.work(real, is_patient=False)

    run_id = driving.start(workflow, dry=Dry(of=real))
    driving.work(run_id, is_patient=False)

    run = Run.objects.get(id=run_id)
    assert (run.state, run.output) == ("succeeded", {"charge": "ch_7", "b": ["done", "done"]})
    assert (len(httpserver.log), called) == (1, ["effect", "effect"])


def test_dry_runs_count_nowhere() -> None:
    workflow = driving.publish({"a": python("effect")})
    before = overview.running_count().number

    run_id = driving.start(workflow, dry=Dry())
    waiting = overview.running_count().number
    driving.work(run_id, is_patient=False)

    rows = overview.with_recent_runs(Workflow.objects.filter(name=workflow), now=timezone.now())
    (row,) = rows
    assert waiting == before
    assert (row.recent_states, row.latest_run) == ([], [])


def test_it_is_not_retried_and_says_so() -> None:
    run = dry({"a": python("effect")})

    with pytest.raises(RetryRefused, match="dry run"):
        operations.retry_run(run_id=run.id, wanted=operations.RetryWanted(), actor=driving.TESTER, now=timezone.now())


def test_same_key_never_stands_for_a_real_run() -> None:
    workflow, key = driving.publish({"a": python("pure")}), str(uuid4())
    first = driving.start(workflow, dry=Dry(), key=key)

    assert driving.start(workflow, dry=Dry(), key=key) == first
    with pytest.raises(StartKeyReused):
        driving.start(workflow, key=key)


@pytest.mark.parametrize(
    ("pins", "path"),
    [
        ({"steps": {"b": {"output": 1}}}, "$.pins.steps.b"),
        ({"steps": {"a": {"outputs": 1}}}, "$.pins.steps.a.outputs"),
        ({"unpinned": "guess"}, "$.pins.unpinned"),
        ([], "$.pins"),
    ],
)
def test_wrong_pins_are_refused_with_their_place(pins: Any, path: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        driving.start(driving.publish({"a": python("pure")}), dry=Dry(pins=pins))

    assert path in {problem.path for problem in caught.value.problems}


def test_marked_in_trail_api_admin_and_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = driving.publish({"a": python("pure")})
    caller = client("runs:read", "runs:write")
    browser = admin_pages.browser(admin_pages.user(is_superuser=True))

    body = {"workflow": workflow, "mode": "dry_run", "pins": {"unpinned": "placeholder"}}
    started = caller.post("/api/v1/runs", body, format="json").json()
    live = driving.start(workflow)
    call_command("automation", "runs", "--workflow", workflow, "--mode", "dry_run")

    run_id = UUID(started["id"])
    listed = caller.get("/api/v1/runs", {"workflow": workflow, "mode": "dry_run"}).json()["results"]
    (event,) = [one for one in audit.events_for(str(run_id)) if one.kind == "run.started"]
    page = browser.get(reverse("admin:workflows_run_change", args=(run_id,))).content.decode()
    rows = browser.get(reverse("admin:workflows_run_changelist"), {"mode": "dry_run"}).content.decode()
    out = capsys.readouterr().out
    assert (started["mode"], [one["id"] for one in listed]) == ("dry_run", [str(run_id)])
    assert orjson.loads(event.payload)["mode"] == "dry_run"
    assert "nothing leaves the process" in page
    assert str(run_id) in rows
    assert str(live) not in rows
    assert "(dry run)" in out
    assert str(live) not in out


def test_pins_without_a_dry_run_are_refused_everywhere() -> None:
    workflow = driving.publish({"a": python("pure")})

    answer = client("runs:write").post("/api/v1/runs", {"workflow": workflow, "pins": {}}, format="json")

    assert (answer.status_code, answer.json()["problems"][0]["path"]) == (400, "$.pins")
    with pytest.raises(CommandError, match="--dry-run"):
        call_command("automation", "start", workflow, "--pins", "{}")


def test_admin_form_starts_a_dry_run() -> None:
    workflow = Workflow.objects.get(name=driving.publish({"a": python("pure")}))
    browser: Client = admin_pages.browser(admin_pages.user(is_superuser=True))
    path = reverse("admin:workflows_workflow_start", args=(workflow.pk,))
    form = {"input": "null", "priority": "0", "key": str(uuid4()), "mode": "dry_run", "pins": '{"steps": {}}'}

    wrong = browser.post(path, {**form, "pins": "{"})
    browser.post(path, form)

    assert "this is no JSON" in wrong.content.decode()
    assert Run.objects.get(workflow_name=workflow.name).is_dry
