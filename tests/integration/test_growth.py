"""Steps that return further steps: the run goes on with them, on a plan of its own that nobody else sees."""

from collections.abc import Mapping

import pytest
from django.test import Client
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import AT_ONCE, TESTER, call
from tests.flows.ledger import Ledger
from tests.support import api
from workflows import operations, plans
from workflows.models import DeadLetter, GrownPlan, Run, Step, WorkflowVersion

pytestmark = pytest.mark.usefixtures("database")


def given(steps: Mapping[str, object], **more: object) -> dict[str, object]:
    """This will be a step that returns these steps; they come from the run's input, where nothing is evaluated."""
    return call("grow_given", args={"steps": "${{ input.steps }}"}, retry=AT_ONCE, **more)


def test_run_goes_on_with_what_its_step_returned_before_what_stood_behind_it() -> None:
    run = driving.finish(
        {
            "plan": call("grow_row", args={"count": 3}),
            "after": {
                "needs": "plan",
                "uses": "set",
                "with": {
                    "x": "${{ steps.plan.grown.new2.output.x }}",
                    "states": "${{ steps.plan.grown.map(one, steps.plan.grown[one].state) }}",
                    "count": "${{ steps.plan.output.count }}",
                },
            },
            "end": {"needs": "after", "uses": "set", "with": {"x": 1}},
        },
        output="${{ steps.after.output }}",
    )

    assert run.state == "succeeded"
    assert run.output == {"x": 0, "states": ["succeeded"] * 3, "count": 3}
    assert driving.states(run.id).keys() == {"plan", "new0", "new1", "new2", "after", "end"}
    order = list(Step.objects.filter(run_id=run.id).order_by("ended_at").values_list("step", flat=True))
    assert order == ["plan", "new0", "new1", "new2", "after", "end"]


def test_plan_belongs_to_the_run_and_is_no_version_of_the_workflow() -> None:
    name = driving.publish({"plan": call("grow_row", args={"count": 2})})
    run_id, other = driving.start(name), driving.start(name)
    driving.work(run_id)

    run = Run.objects.get(id=run_id)
    row = GrownPlan.objects.get(run_id=run_id)
    assert (row.number, row.step, row.steps, row.version_id) == (1, "plan", ["new0", "new1"], run.version_id)
    assert (run.grown_id, run.version.number) == (row.id, 1)
    assert WorkflowVersion.objects.filter(workflow__name=name).count() == 1
    (payload,) = driving.trail_of(run_id, "run.grown")
    assert payload == {
        "step": "plan",
        "steps": ["new0", "new1"],
        "content_hash": row.content_hash,
        "plan_hash": row.plan_hash,
    }
    assert plans.program_of(run.program_id).plan.digest == row.plan_hash
    assert Run.objects.get(id=other).grown_id is None


def test_nothing_returned_is_nothing_grown() -> None:
    run = driving.finish(
        {
            "plan": call("grow_again", args={"depth": 0}),
            "after": {"needs": "plan", "uses": "set", "with": {"x": "${{ size(steps.plan.grown) }}"}},
        }
    )

    assert Step.objects.get(run_id=run.id, step="after").output == {"x": 0}
    assert not GrownPlan.objects.filter(run_id=run.id).exists()


def test_steps_that_were_returned_may_return_steps_and_all_are_waited_for() -> None:
    run = driving.finish(
        {"plan": call("grow_again", args={"depth": 3}), "after": {"needs": "plan", "uses": "set", "with": {"x": 1}}}
    )

    order = list(Step.objects.filter(run_id=run.id).order_by("ended_at").values_list("step", flat=True))
    assert order == ["plan", "deep3", "deep2", "deep1", "after"]
    assert list(GrownPlan.objects.filter(run_id=run.id).values_list("number", flat=True)) == [1, 2, 3]


def test_branches_grow_beside_each_other_and_meet_behind_all_of_it() -> None:
    steps = {
        branch: call("grow_row", args={"count": 2, "first": branch}, needs="begin") for branch in ("left", "right")
    }
    run = driving.finish(
        {
            "begin": call("noop"),
            **steps,
            "long": call("noop", needs="begin"),
            "longer": call("noop", needs="long"),
            "meet": {"needs": ["left", "right", "longer"], "uses": "set", "with": {"x": 1}},
        }
    )

    assert run.state == "succeeded"
    assert set(driving.states(run.id)) == {
        *("begin", "left", "right", "long", "longer", "meet"),
        *("left0", "left1", "right0", "right1"),
    }
    latest = Step.objects.filter(run_id=run.id).order_by("-ended_at").values_list("step", flat=True)[0]
    assert latest == "meet"


def test_failed_step_that_was_returned_is_requeued_like_any_other() -> None:
    steps = {"bad": call("fail_unless", args={"path": "/nowhere/at/all"}, retry={"attempts": 1})}
    run_id = driving.begin({"plan": given(steps), "after": call("noop", needs="plan")}, value={"steps": steps})
    driving.work(run_id, is_patient=False)
    assert driving.states(run_id) == {"plan": "succeeded", "bad": "failed", "after": "upstream_failed"}

    letter = DeadLetter.objects.get(run_id=run_id)
    operations.requeue_dead_letter(
        dead_letter_id=letter.id,
        actor=TESTER,
        now=timezone.now(),
        payload={"call": "flows.fail_unless", "args": {"path": "/"}},
    )
    driving.work(run_id, is_patient=False)

    assert driving.states(run_id) == {"plan": "succeeded", "bad": "succeeded", "after": "succeeded"}


def test_what_returned_steps_did_is_undone_with_the_rest(tmp_path_factory: pytest.TempPathFactory) -> None:
    ledger = Ledger(tmp_path_factory.mktemp("grown") / "ledger")
    run = driving.finish(
        {
            "plan": call("grow_fan", args={"count": 2, "ledger": str(ledger.path)}),
            "bad": call("fail_on", needs="plan", args={"value": 1, "bad": 1}),
        },
        **{"finally": {"tidy": call("noop")}},
    )

    assert run.state == "failed"
    assert driving.states(run.id) == {
        "plan": "succeeded",
        "new0": "succeeded",
        "new1": "succeeded",
        "bad": "failed",
        "tidy": "succeeded",
        "new0:undo": "succeeded",
        "new1:undo": "succeeded",
    }


def test_retry_as_a_new_run_has_its_steps_return_their_own() -> None:
    run_id = driving.begin(
        {
            "plan": call("grow_row", args={"count": 2}),
            "bad": call("fail_on", needs="plan", args={"value": "${{ input.v }}", "bad": 1}, retry={"attempts": 1}),
        },
        value={"v": 1},
    )
    driving.work(run_id)

    edited = operations.EditedInput({"v": 2})
    wanted = operations.RetryWanted(edited=edited)
    done = operations.retry_run(run_id=run_id, wanted=wanted, actor=TESTER, now=timezone.now())
    driving.work(done.run_id)

    assert (done.plan.reused, list(done.plan.executed)) == ((), ["plan", "bad"])
    assert set(driving.states(done.run_id).values()) == {"succeeded"}
    assert driving.states(done.run_id).keys() == {"plan", "new0", "new1", "bad"}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"after": {"uses": "set"}}, "$.steps.after: there is a step 'after' in this run already"),
        ({"a": {"uses": "nothing.here"}}, "$.steps.a.uses: nothing called 'nothing.here' is installed"),
        ({"a": {"uses": "set", "needs": "after"}}, "$.steps.a.needs: 'after' is none of them"),
        ({"a": {"uses": "set", "needs": "b"}, "b": {"uses": "set", "needs": "a"}}, "a -> b -> a"),
        ({"Not a name": {"uses": "set"}}, "cannot be a name"),
        ({"a": {"uses": "set", "when": "never"}}, "$.steps.a.when"),
        ({"a": "b"}, "a step is a mapping"),
        ({f"s{number}": {"uses": "set"} for number in range(1_001)}, "$.steps"),
    ],
)
def test_steps_that_are_not_right_make_the_step_fail_with_every_problem(steps: dict[str, object], message: str) -> None:
    run = driving.finish(
        {"plan": given(steps), "after": {"needs": "plan", "uses": "set", "with": {"x": 1}}}, value={"steps": steps}
    )

    assert run.state == "failed"
    assert run.error["kind"] == "refused"  # type: ignore[index]  # it has failed
    assert message in run.error["message"]  # type: ignore[index]  # it has failed
    assert run.grown_id is None
    assert driving.states(run.id) == {"plan": "failed", "after": "upstream_failed"}


def test_items_and_closing_steps_return_no_steps() -> None:
    steps = {"new": {"uses": "set"}}
    run = driving.finish({"plan": given(steps, for_each=[1])}, value={"steps": steps})

    assert run.state == "failed"
    assert "only a step of the main part may" in DeadLetter.objects.get(run_id=run.id).message


def test_api_and_admin_show_what_has_grown(admin_client: Client) -> None:
    run_id = driving.begin({"plan": call("grow_row", args={"count": 2}), "after": call("noop", needs="plan")})
    driving.work(run_id)
    client = api.client("admin")

    rows = client.get(f"/api/v1/runs/{run_id}/plans").json()["results"]
    steps = {row["step"]: row["grown_by"] for row in client.get(f"/api/v1/runs/{run_id}/steps").json()["results"]}
    page = admin_client.get(f"/admin/workflows/run/{run_id}/change/").content.decode()

    assert [(row["number"], row["step"], row["steps"]) for row in rows] == [(1, "plan", ["new0", "new1"])]
    assert rows[0]["document"]["steps"]["after"]["needs"] == ["plan", "new0", "new1"]
    assert steps == {"plan": "", "new0": "plan", "new1": "plan", "after": ""}
    assert "returned by plan" in page
