"""Timers: steps that wait for a length of time, and steps in rounds with a pause between them."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue

WAIT_S = 1.5


class Timers(Workload):
    """A step before, a wait that holds a row only, and a step behind it."""

    name = "chaos-timer"

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "before": mark(scene, "${{ input.number }}"),
            "pause": {"needs": "before", "uses": "wait", "with": {"for": f"{WAIT_S}s"}},
            "beside": mark(scene, "${{ steps.before.output }}", needs="before", seconds=0.1, queue="bulk"),
            "after": mark(scene, "${{ steps.beside.output }}", needs=["pause", "beside"]),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}


class WaitingItems(Workload):
    """Items that wait, more of them than there are pullers."""

    name = "chaos-waiting-items"
    weight = 1

    def steps(self, scene: Scene) -> Mapping[str, object]:
        pause = {"uses": "wait", "with": {"for": "${{ item }}ms"}}
        return {
            "pauses": {"for_each": [100, 700, 300, 500], "parallel": 2, **pause},
            "after": mark(scene, "${{ steps.pauses.output.size() }}", needs="pauses"),
        }

    def output(self) -> object:
        return {"size": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        return {"size": 4}
