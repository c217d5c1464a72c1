"""How the times of a step are read from a document, and what they do to its plan."""

from typing import Any

from workflows.core.allowances import UNBOUNDED, Allowance
from workflows.core.building import restore_definition
from workflows.core.plan import compile_plan


def document(**steps: Any) -> dict[str, Any]:
    """This will be a workflow of these steps with times for all of them."""
    return {"name": "w", "defaults": {"timeout": {"start_to_close": "1m", "schedule_to_close": "1h"}}, "steps": steps}


def test_times_of_a_step_are_merged_with_the_defaults_key_by_key() -> None:
    definition = restore_definition(
        document(
            plain={"uses": "set"},
            short={"uses": "set", "timeout": "5s"},
            named={"uses": "set", "timeout": {"schedule_to_start": "2m"}},
            many={"uses": "set", "for_each": [1, 2]},
        )
    )
    found = {step.id: (step.timeout_s, step.allowance) for step in definition.steps}

    assert found == {
        "plain": (60.0, Allowance(schedule_to_close_s=3600.0)),
        "short": (5.0, Allowance(schedule_to_close_s=3600.0)),
        "named": (60.0, Allowance(schedule_to_start_s=120.0, schedule_to_close_s=3600.0)),
        "many": (60.0, UNBOUNDED),
    }


def test_undo_of_a_step_with_items_has_no_time_from_ready() -> None:
    definition = restore_definition(
        document(
            many={"uses": "set", "for_each": [1], "undo": {"uses": "set"}},
            one={"uses": "set", "undo": {"uses": "set"}},
        )
    )

    assert [undo.allowance for undo in definition.undo_steps] == [UNBOUNDED, Allowance(schedule_to_close_s=3600.0)]


def test_step_with_times_from_ready_is_a_segment_of_its_own() -> None:
    steps = {
        "a": {"uses": "set"},
        "b": {"uses": "set", "needs": "a", "timeout": {"schedule_to_close": "1h"}},
        "c": {"uses": "set", "needs": "b", "timeout": {"start_to_close": "1h"}},
        "d": {"uses": "set", "needs": "c"},
    }
    plan = compile_plan(restore_definition({"name": "w", "steps": steps}))

    assert [segment.steps for segment in plan.segments] == [("a",), ("b",), ("c", "d")]
