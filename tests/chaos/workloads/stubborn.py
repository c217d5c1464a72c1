"""Stubborn work: it runs out of attempts, and is brought back by a client when what it lacked is there."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue


def _fails_without_gate(scene: Scene, **more: object) -> dict[str, object]:
    args = {"path": f"{scene.gates}/${{{{ run.id }}}}", "ledger": str(scene.ledger)}
    retry = {"attempts": 2, "first": "50ms", "cap": "100ms"}
    return {"uses": "python", "with": {"call": "flows.fail_unless", "args": args}, "retry": retry, **more}


class Stubborn(Workload):
    """A step in the middle becomes a dead letter until the gate of its run is open."""

    name = "chaos-stubborn"
    weight = 1
    failing = frozenset({"stuck"})
    requeues = True

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "before": mark(scene, "${{ input.number }}"),
            "stuck": _fails_without_gate(scene, needs="before"),
            "after": mark(scene, "${{ steps.before.output }}", needs="stuck", queue="io"),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}


class StubbornItems(Workload):
    """Items that each become a dead letter until the gate of their run is open."""

    name = "chaos-stubborn-items"
    weight = 1
    failing = frozenset({"map"})
    requeues = True

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "map": _fails_without_gate(scene, for_each=[0, 1, 2], parallel=2),
            "after": mark(scene, "${{ steps.map.output.size() }}", needs="map"),
        }

    def output(self) -> object:
        return {"size": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        return {"size": 3}
