"""Branches: the steps a `switch` names, and what becomes of those behind them."""

import pytest

from tests.flows.driving import begin, call, claimable, finish, lose, states, trail_of, work
from workflows import store
from workflows.models import Step

pytestmark = pytest.mark.usefixtures("database")

ROUTE = {
    "route": {
        "uses": "switch",
        "with": {"value": "${{ input }}", "cases": {"gold": "vip", "silver": ["a", "b"]}, "default": "other"},
    },
    **{step: call("noop", needs="route") for step in ("vip", "a", "b", "other")},
    "behind_b": call("noop", needs="b"),
    "always": call("noop", needs="route"),
    "join": call("noop", needs=["vip", "a", "behind_b", "other"], when="none_failed_min_one_success"),
}


@pytest.mark.parametrize(
    ("value", "case", "chosen"),
    [("gold", "gold", {"vip"}), ("silver", "silver", {"a", "b", "behind_b"}), ("bronze", None, {"other"})],
)
def test_exactly_the_chosen_branch_runs(value: str, case: str | None, chosen: set[str]) -> None:
    run = finish(ROUTE, value=value)

    ended = states(run.id)
    assert run.state == "succeeded"
    assert {step for step, state in ended.items() if state == "succeeded"} == {"route", "always", "join", *chosen}
    assert {state for step, state in ended.items() if step not in {"route", "always", "join", *chosen}} == {"skipped"}
    assert Step.objects.get(run_id=run.id, step="route").output["case"] == case
    assert len(trail_of(run.id, "step.skipped")) == 5 - len(chosen)


def test_switch_without_a_case_and_default_chooses_nothing() -> None:
    run = finish(
        {
            "route": {"uses": "switch", "with": {"value": "${{ input }}", "cases": {"true": ["yes"]}}},
            "yes": call("noop", needs="route"),
        },
        value=False,
    )

    assert (run.state, states(run.id)) == ("succeeded", {"route": "succeeded", "yes": "skipped"})


def test_first_true_condition_decides_and_the_others_are_not_asked() -> None:
    conditions = [
        {"if": "${{ input.total > 100 }}", "then": "large"},
        {"if": "input.total > 10", "then": "middle"},
        {"if": "${{ input.nothing.of.the.kind }}", "then": "large"},
    ]
    run = finish(
        {
            "route": {"uses": "switch", "with": {"conditions": conditions, "default": "small"}},
            **{step: call("noop", needs="route") for step in ("large", "middle", "small")},
        },
        value={"total": 50},
    )

    assert states(run.id) == {"route": "succeeded", "large": "skipped", "middle": "succeeded", "small": "skipped"}


def test_switch_refuses_a_value_that_can_be_no_case() -> None:
    run = finish(
        {
            "route": {"uses": "switch", "with": {"value": "${{ input }}", "cases": {"a": "yes"}}},
            "yes": call("noop", needs="route"),
        },
        value=[1],
    )

    assert run.error is not None
    assert (run.state, run.error["kind"]) == ("failed", "refused")
    assert states(run.id) == {"route": "failed", "yes": "upstream_failed"}


def test_step_named_by_a_switch_waits_for_it_whatever_its_rule() -> None:
    run_id = begin(
        {
            "slow": call("fail_until", args={"attempt": 2}, retry={"first": "1h", "jitter": "none"}),
            "route": {"uses": "switch", "needs": "slow", "with": {"value": "x", "cases": {"y": "target"}}},
            "quick": call("noop"),
            "target": call("noop", needs=["quick", "route"], when="one_success"),
        }
    )
    work(run_id)
    assert states(run_id) == {"quick": "succeeded"}

    work(run_id, is_patient=False)
    assert states(run_id)["target"] == "skipped"


def test_lost_switch_decides_the_same_again() -> None:
    run_id = begin(ROUTE, value="gold")
    store.claim(refs=claimable(run_id), owner="dead", lease_s=60.0)
    lose(run_id)
    work(run_id)

    assert (states(run_id)["vip"], states(run_id)["a"]) == ("succeeded", "skipped")
