"""Steps and items that fail at first and succeed after some delays."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue


def _fails_until(scene: Scene, *, attempt: int, **more: object) -> dict[str, object]:
    args = {"attempt": attempt, "ledger": str(scene.ledger)}
    return {"uses": "python", "with": {"call": "flows.fail_until", "args": args}, **more}


class Retries(Workload):
    """A step that succeeds at its third attempt, between two that succeed at once."""

    name = "chaos-retry"

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "before": mark(scene, "${{ input.size }}"),
            "tries": _fails_until(scene, attempt=3, needs="before"),
            "after": mark(scene, "${{ steps.before.output }}", needs="tries", queue="io"),
        }

    def output(self) -> object:
        return {"size": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"size": value["size"]}


class ItemRetries(Workload):
    """Items that each succeed at their second attempt at the earliest."""

    name = "chaos-item-retry"

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "map": _fails_until(scene, attempt=2, for_each=list(range(8)), parallel=2),
            "join": mark(scene, "${{ steps.map.output.size() }}", needs="map"),
        }

    def output(self) -> object:
        return {"size": "${{ steps.join.output }}"}

    def result(self, value: JsonValue) -> object:
        return {"size": 8}


class Growing(Workload):
    """A step whose delays are known to the millisecond: they grow, up to their cap, and nothing shortens them."""

    name = "chaos-growing"
    weight = 1

    def steps(self, scene: Scene) -> Mapping[str, object]:
        retry = {"attempts": 12, "first": "100ms", "factor": 3, "cap": "700ms", "jitter": "none"}
        return {
            "tries": _fails_until(scene, attempt=4, retry=retry),
            "after": mark(scene, "${{ input.number }}", needs="tries"),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}
