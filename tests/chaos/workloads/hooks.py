"""Webhooks: each that is acknowledged starts one run."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue

SOURCE = "chaos-hub"
EVENT = "push"


class Hooked(Workload):
    """Started by webhooks alone."""

    name = "chaos-hooked"
    weight = 0

    def rules(self) -> Mapping[str, object]:
        return {"on": {"webhook": {"source": SOURCE, "event": EVENT}}}

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "seen": mark(scene, "${{ input.number }}"),
            "after": mark(scene, "${{ steps.seen.output }}", needs="seen"),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}
