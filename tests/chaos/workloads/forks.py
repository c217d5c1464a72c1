"""Forks and joins in a graph that no nesting of chains and groups can express."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue

_SUM = "${{ steps.f.output + steps.c.output }}"


class Forks(Workload):
    """`c` waits for `a`; `d` for `a` and `b`; `e` for `b`: an N, whose ends meet again, over three lanes."""

    name = "chaos-fork"
    weight = 4

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "a": mark(scene, "${{ input.number }}", seconds=0.01),
            "b": mark(scene, "${{ input.size }}", queue="io"),
            "c": mark(scene, "${{ steps.a.output }}", needs="a", seconds=0.02, queue="bulk"),
            "d": mark(scene, "${{ steps.a.output + steps.b.output }}", needs=["a", "b"]),
            "e": mark(scene, "${{ steps.b.output }}", needs="b", queue="critical"),
            "f": mark(scene, "${{ steps.d.output + steps.e.output }}", needs=["d", "e"], queue="io"),
            "g": mark(scene, _SUM, needs=["c", "f"]),
        }

    def output(self) -> object:
        return {"sum": "${{ steps.g.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        number, size = value["number"], value["size"]
        assert isinstance(number, int)
        assert isinstance(size, int)
        return {"sum": 2 * number + 2 * size}
