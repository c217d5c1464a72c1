"""Maps: a `for_each` of many quick items over several pullers, and a join on another lane."""

from collections.abc import Mapping
from random import Random

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue


class Items(Workload):
    """Up to 60 items in the hands of up to four pullers; their results must come in their order."""

    name = "chaos-items"
    weight = 2

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "map": mark(scene, "${{ item }}", for_each="${{ input.items }}", parallel=4, seconds=0.002),
            "join": mark(scene, "${{ steps.map.output.size() }}", needs="map", queue="io"),
        }

    def output(self) -> object:
        return {"items": "${{ steps.map.output }}", "size": "${{ steps.join.output }}"}

    def value(self, *, dice: Random, number: int) -> JsonValue:
        return {"number": number, "items": [dice.randint(0, 999) for _ in range(dice.randint(1, 60))]}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        items = value["items"]
        assert isinstance(items, list)
        return {"items": items, "size": len(items)}
