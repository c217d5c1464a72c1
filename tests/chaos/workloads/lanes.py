"""Lanes: bulk work that takes its time beside urgent work that must not wait for it."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue


class Lanes(Workload):
    """A bulk step, a default step and a critical one, after each other and beside each other."""

    name = "chaos-lanes"
    weight = 3

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "bulk": mark(scene, "${{ input.size }}", seconds=0.05, queue="bulk"),
            "urgent": mark(scene, "${{ input.number }}", queue="critical"),
            "later": mark(scene, "${{ steps.bulk.output }}", needs="bulk"),
            "meet": mark(scene, "${{ steps.later.output + steps.urgent.output }}", needs=["later", "urgent"]),
            "last": mark(scene, "${{ steps.meet.output }}", needs="meet", queue="critical"),
        }

    def output(self) -> object:
        return {"sum": "${{ steps.last.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        number, size = value["number"], value["size"]
        assert isinstance(number, int)
        assert isinstance(size, int)
        return {"sum": number + size}
