"""Steps pinned to a version of another workflow: checked when they are published, kept whatever comes later."""

from uuid import UUID

import orjson
import pytest
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import TESTER, call
from workflows import dsl, operations
from workflows.core.problems import DefinitionInvalid
from workflows.models import ChildRun, Run
from workflows.operations import publishing

pytestmark = pytest.mark.usefixtures("database")
INPUT = {"type": "object", "required": ["order"], "properties": {"order": {"type": "integer"}}}


def publish_again(name: str, **more: object) -> None:
    """This will publish another version of a workflow."""
    source = orjson.dumps({"name": name, "steps": {"other": call("noop")}, **more}).decode()
    operations.publish(source=source, actor=TESTER, now=timezone.now())


def pinned(name: str, **more: object) -> dict[str, object]:
    """This will be a step that starts a workflow; what comes besides goes into its `with`."""
    return {"uses": "workflow", "with": {"name": name, **more}}


def versions_below(run_id: UUID) -> list[int]:
    """This will give the versions of the runs that a run has started."""
    links = ChildRun.objects.filter(parent_id=run_id).order_by("id")
    numbers = dict(Run.objects.values_list("id", "version__number").filter(id__in=links.values("child_id")))
    return [numbers[link.child_id] for link in links]


def test_pinned_step_keeps_its_version_and_another_one_gets_what_is_in_use() -> None:
    name = driving.publish({"only": call("noop")})
    parent = driving.publish({"a": pinned(name, version=1), "b": {**pinned(name), "needs": "a"}})
    publish_again(name)

    run_id = driving.start(parent)
    driving.work(run_id)
    driving.work(*ChildRun.objects.filter(parent_id=run_id).values_list("child_id", flat=True))
    driving.work(run_id)

    assert versions_below(run_id) == [1, 2]


@pytest.mark.parametrize("place", ["steps", "finally", "undo"])
def test_pin_that_does_not_hold_is_refused_wherever_it_stands(place: str) -> None:
    name = driving.publish({"only": call("noop")}, input=INPUT)
    step = pinned(name, version=2)
    document: dict[str, object] = {"name": "pins", "steps": {"first": call("noop")}}
    if place == "steps":
        document["steps"] = {"first": step}
    elif place == "finally":
        document["finally"] = {"last": step}
    else:
        document["steps"] = {"first": {**call("noop"), "undo": step}}

    with pytest.raises(DefinitionInvalid) as refused:
        operations.check(orjson.dumps(document).decode())

    (problem,) = refused.value.problems
    assert problem.path.endswith("with.version")
    assert (problem.message, "versions 1 to 1" in problem.hint) == (f"workflow {name!r} has no version 2", True)


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"input": {}}, "$.steps.first.with.input"),
        ({"input": {"order": "seven"}}, "$.steps.first.with.input.order"),
        ({"input": {"order": "${{ input.n }}"}}, None),
        ({"input": "${{ input }}"}, None),
        ({"input": {"order": 7}}, None),
    ],
)
def test_input_is_held_against_the_pinned_version_as_far_as_it_is_written_out(
    given: dict[str, object], path: str | None
) -> None:
    name = driving.publish({"only": call("noop")}, input=INPUT)
    source = orjson.dumps({"name": "pins", "steps": {"first": pinned(name, version=1, **given)}}).decode()

    problems = [problem.path for problem in publishing.find_problems(orjson.loads(source))]

    assert problems == ([] if path is None else [path])


def test_pin_to_a_workflow_that_is_not_there_is_refused() -> None:
    with pytest.raises(DefinitionInvalid) as refused:
        operations.check(orjson.dumps({"name": "pins", "steps": {"first": pinned("nobody", version=1)}}).decode())

    (problem,) = refused.value.problems
    assert problem.path == "$.steps.first.with.name"


def test_computed_pin_is_judged_when_the_step_begins() -> None:
    name = driving.publish({"only": call("noop")})
    run = driving.finish({"first": pinned(name, version="${{ 3 }}")})

    assert run.state == "failed"
    assert run.error is not None
    assert "has versions 1 to 1, and no 3" in run.error["message"]


def test_python_says_it_too() -> None:
    flow = dsl.Flow()

    flow.workflow("shipping", "ship", version=2)

    assert flow.steps["ship"]["with"] == {"name": "shipping", "version": 2}
