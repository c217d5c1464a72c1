"""Limits: more steps than there are slots, so that they stand in line and hand slots on while workers die."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue

LIMIT = "chaos-legacy-db"
CAPACITY = 2


class Limited(Workload):
    """A step and a map that share the few slots of one limit."""

    name = "chaos-limited"
    weight = 3

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "one": mark(scene, "${{ input.size }}", seconds=0.05, limits=[LIMIT]),
            "map": mark(
                scene, "${{ item }}", needs="one", for_each=[1, 2, 3], parallel=2, seconds=0.02, limits=[LIMIT]
            ),
            "after": mark(scene, "${{ steps.map.output.size() + steps.one.output }}", needs=["map", "one"]),
        }

    def output(self) -> object:
        return {"size": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        size = value["size"]
        assert isinstance(size, int)
        return {"size": size + 3}
