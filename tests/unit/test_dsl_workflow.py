"""A run inside a run, in typed Python."""

import pytest

from workflows import dsl
from workflows.dsl import Flow, Ref


def test_workflow_step_is_written_by_name_or_by_the_workflow_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsl, "_declared", {})

    @dsl.workflow(name="shipping")
    def shipping(flow: Flow, value: Ref) -> None:
        flow.set("one", {"x": value})

    flow = Flow()
    ship = flow.workflow(shipping, "ship", value={"order": Ref("input").order})
    flow.workflow("billing", "bill", value=ship.output.run_id, mode="detach", on_parent_end="request")

    assert flow.steps == {
        "ship": {"uses": "workflow", "with": {"name": "shipping", "input": {"order": "${{ input.order }}"}}},
        "bill": {
            "uses": "workflow",
            "with": {
                "name": "billing",
                "input": "${{ steps.ship.output.run_id }}",
                "mode": "detach",
                "on_parent_end": "request",
            },
            "needs": "ship",
        },
    }
