"""Sequences: quick steps in a row that share commits, with a slower one among them."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue


class Sequences(Workload):
    """Eight steps that hand a number on."""

    name = "chaos-sequence"
    weight = 4

    def steps(self, scene: Scene) -> Mapping[str, object]:
        steps: dict[str, object] = {"s0": mark(scene, "${{ input.number }}")}
        for number in range(1, 8):
            value = f"${{{{ steps.s{number - 1}.output }}}}"
            steps[f"s{number}"] = mark(scene, value, needs=f"s{number - 1}", seconds=0.04 if number == 4 else 0.0)
        return steps

    def output(self) -> object:
        return {"number": "${{ steps.s7.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}
