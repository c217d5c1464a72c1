"""Two runs, and two versions, side by side: over the API, on the command line, in the admin."""

import contextlib
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from tests.flows.driving import call, publish, start, work
from tests.support import admin_pages, api
from workflows import comparing
from workflows.models import Run, Workflow

pytestmark = pytest.mark.usefixtures("database")
EACH = {"for_each": "${{ input.values }}", **call("echo", args={"value": "${{ item }}"})}


@pytest.fixture
def browser() -> Client:
    """This will be the browser of somebody who may do everything."""
    return admin_pages.browser(admin_pages.user(is_superuser=True))


def test_same_runs_are_the_same_whatever_the_time() -> None:
    name = publish({"first": call("echo", args={"value": 1}), "second": call("noop", needs="first")})
    left, right = start(name, value={"a": [1]}), start(name, value={"a": [1]})
    work(left, right)

    found = comparing.compare(left=left, right=right)

    assert found.is_same
    assert found.slower_s is not None
    assert [pair.slower_s is not None for pair in found.steps] == [True, True]


def test_runs_that_part_say_where() -> None:
    name = publish({"a": call("fail_on", args={"value": "${{ input.v }}", "bad": 1}), "b": call("noop", needs="a")})
    good, bad = start(name, value={"v": 0}), start(name, value={"v": 1})
    work(good, bad)

    answer = api.client("runs:read").get(f"/api/v1/runs/{good}/compare/{bad}")

    found = answer.json()
    assert (found["is_same"], found["diverges_at"]) == (False, "a")
    assert (found["left"]["state"], found["right"]["state"]) == ("succeeded", "failed")
    assert [(one["path"], one["change"]) for one in found["input"]["found"]] == [("$.v", "changed")]
    states = [(step["left"]["state"], step["right"]["state"], step["is_same"]) for step in found["steps"]]
    assert states == [("succeeded", "failed", False), ("succeeded", "upstream_failed", False)]


def test_items_are_compared_by_their_outputs() -> None:
    name = publish({"each": EACH})
    left, right = start(name, value={"values": [1, 2]}), start(name, value={"values": [1, 3]})
    work(left, right)

    found = comparing.compare(left=left, right=right)

    assert [one.path for one in found.steps[0].output.found] == ["$[1]"]
    assert found.steps[0].is_same_way


def test_runs_of_other_workflows_have_steps_the_other_has_not() -> None:
    left, right = start(publish({"one": call("noop")})), start(publish({"two": call("noop")}))
    work(left)

    found = comparing.compare(left=left, right=right)

    assert [(pair.step, pair.left is None, pair.right is None) for pair in found.steps] == [
        ("one", False, True),
        ("two", True, False),
    ]
    assert found.right.duration_s is None


def test_comparison_needs_two_runs_that_exist_and_the_scope() -> None:
    run = start(publish({"one": call("noop")}))

    assert api.client("runs:read").get(f"/api/v1/runs/{run}/compare/{uuid4()}").status_code == 404
    assert api.client("definitions:write").get(f"/api/v1/runs/{run}/compare/{run}").status_code == 403
    with pytest.raises(CommandError, match="there is no run"):
        call_command("automation", "compare", str(run), str(uuid4()))


def test_pages_show_two_runs_and_escape_them(browser: Client) -> None:
    version = admin_pages.published()
    left, right = admin_pages.in_the_middle(version), admin_pages.started(version)
    address = reverse("admin:workflows_run_compare")

    page = browser.get(f"{address}?left={left}&right={right}").content.decode()

    assert admin_pages.NASTY not in page
    assert str(right) in page
    assert "they part at" in page
    assert browser.get(f"{address}?left={left}&right={uuid4()}").status_code == 404
    assert browser.get(f"{address}?left={left}&right=x").status_code == 302
    assert admin_pages.browser(admin_pages.user()).get(f"{address}?left={left}&right={right}").status_code == 403


@pytest.mark.parametrize(("number", "leads_to"), [(2, "compare/?left="), (1, "run/")])
def test_action_takes_two_runs(browser: Client, number: int, leads_to: str) -> None:
    version = admin_pages.published()
    ids = sorted(str(admin_pages.started(version)) for _ in range(number))
    chosen = {"action": "compare_selected", "_selected_action": ids}

    answer = browser.post(reverse("admin:workflows_run_changelist"), chosen)

    assert answer.status_code == 302
    assert leads_to in answer["Location"]


def versions(name: str) -> None:
    """This will publish two versions that differ in a step, its needs, the text alone, the defaults, and the rest."""
    first = {
        "name": name,
        "steps": {"a": call("noop"), "b": call("noop", needs="a"), "c": call("noop", queue="bulk"), "x": call("noop")},
    }
    second = {
        "name": name,
        "description": "New.",
        "defaults": {"timeout": "9s"},
        "steps": {
            "a": call("echo", timeout="300s"),
            "b": call("noop", needs=["a"], timeout="300s"),
            "c": call("noop", queue="bulk"),
            "n": call("noop", needs="c"),
        },
    }
    api.publish(first)
    api.publish(second)


def test_versions_differ_by_steps_and_paths(capsys: pytest.CaptureFixture[str]) -> None:
    name = f"test-{uuid4().hex[:12]}"
    versions(name)

    found = api.client("runs:read").get(f"/api/v1/workflows/{name}/versions/1/compare/2").json()

    steps = {step["step"]: (step["change"], step["is_meaning_same"], step["needs_added"]) for step in found["steps"]}
    assert steps == {
        "a": ("changed", False, []),
        "b": ("changed", True, []),
        "x": ("removed", False, []),
        "n": ("added", False, ["c"]),
    }
    assert found["inherited"] == ["c"]
    assert {one["path"] for one in found["rest"]["found"]} == {"$.description", "$.defaults"}
    assert found["unified"][:2] == ["--- v1", "+++ v2"]
    with contextlib.suppress(SystemExit):
        call_command("automation", "diff", name, "1", "2")
    told = capsys.readouterr().out
    assert "~ step b changed, which means the same" in told
    assert "- step x removed" in told
    assert "$.steps.a.with.call" in told


def test_versions_that_do_not_exist_are_named(browser: Client) -> None:
    name = f"test-{uuid4().hex[:12]}"
    versions(name)
    workflow = Workflow.objects.get(name=name)

    answer = api.client("runs:read").get(f"/api/v1/workflows/{name}/versions/1/compare/7")

    assert (answer.status_code, answer.json()["type"].split(":")[-1]) == (404, "version-unknown")
    assert browser.get(reverse("admin:workflows_workflow_diff", args=(workflow.id, 1, 7))).status_code == 404


def test_page_of_two_versions_is_reached_from_the_workflow(browser: Client) -> None:
    name = f"test-{uuid4().hex[:12]}"
    versions(name)
    workflow = Workflow.objects.get(name=name)
    form = reverse("admin:workflows_workflow_diff_chosen", args=(workflow.id,))

    assert form in browser.get(reverse("admin:workflows_workflow_change", args=(workflow.id,))).content.decode()
    page = browser.get(f"{form}?before=1&after=2", follow=True).content.decode()
    assert "written differently, means the same" in page
    assert "$.steps.a.with.call" in page
    assert browser.get(f"{form}?before=1&after=x").status_code == 404
    assert Run.objects.filter(workflow_name=name).count() == 0
