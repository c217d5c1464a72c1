"""Ends with something owed: what was done is undone, one step after the other, and `finally` comes after that."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import FAILED, Scene, Workload, mark
from workflows.core.definition import JsonValue


def _undo(scene: Scene) -> Mapping[str, object]:
    done = mark(scene, "${{ input.number }}")
    return {"uses": done["uses"], "with": done["with"]}


class Sagas(Workload):
    """Two steps that can be undone, and a third that is refused."""

    name = "chaos-saga"
    state = FAILED
    failing = frozenset({"refused"})

    def steps(self, scene: Scene) -> Mapping[str, object]:
        args = {"value": "${{ input.size }}", "bad": "${{ input.size }}"}
        return {
            "first": mark(scene, "${{ input.number }}", undo=_undo(scene)),
            "second": mark(scene, "${{ input.number }}", needs="first", queue="bulk", undo=_undo(scene)),
            "refused": {"needs": "second", "uses": "python", "with": {"call": "flows.fail_on", "args": args}},
        }

    def document(self, scene: Scene) -> dict[str, object]:
        """This will be the definition with a `finally` step."""
        return {**super().document(scene), "finally": {"tidy": mark(scene, "${{ run.ending }}")}}


class Tidied(Sagas):
    """The same without a failure: nothing is undone, and it is tidied up."""

    name = "chaos-tidied"
    weight = 1
    state = "succeeded"
    failing = frozenset()

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "first": mark(scene, "${{ input.number }}", undo=_undo(scene)),
            "second": mark(scene, "${{ steps.first.output }}", needs="first", undo=_undo(scene)),
        }

    def output(self) -> object:
        return {"number": "${{ steps.second.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}
