"""Slow input and output: steps and items that wait on an event loop, in an I/O worker or in any other."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue

_CALL = "flows.mark_async"


class SlowCalls(Workload):
    """An async step and a map of async items on the I/O lane, and a join behind them."""

    name = "chaos-slow-calls"
    weight = 3

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "one": mark(scene, "${{ input.number }}", call=_CALL, seconds=0.2, queue="io"),
            "map": mark(scene, "${{ item }}", call=_CALL, for_each=[1, 2, 3, 4], parallel=4, seconds=0.1, queue="io"),
            "after": mark(scene, "${{ steps.one.output + steps.map.output.size() }}", needs=["one", "map"]),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        number = value["number"]
        assert isinstance(number, int)
        return {"number": number + 4}
