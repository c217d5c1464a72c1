"""Runs that steps start: waited for or not, failing, brought back, cancelled with the run above."""

from collections.abc import Mapping

from tests.chaos.workloads.closings import Tidied
from tests.chaos.workloads.failures import Failures
from tests.chaos.workloads.sequences import Sequences
from tests.chaos.workloads.stubborn import Stubborn
from tests.chaos.workloads.waits import Timers
from tests.chaos.workloads.workload import FAILED, Scene, Workload, mark
from workflows.core.definition import JsonValue


def _run_of(workload: type[Workload], *, number: str = "${{ input.number }}", **more: object) -> dict[str, object]:
    """A step that starts a run of a workload; `mode` and `on_parent_end` go into its `with`."""
    how = {key: more.pop(key) for key in ("mode", "on_parent_end") if key in more}
    wanted = {"name": workload.name, "input": {"number": number, "size": "${{ input.size }}"}, **how}
    return {"uses": "workflow", "with": wanted, **more}


class Parents(Workload):
    """One run, and one for each of three items, whose outputs come back."""

    name = "chaos-parent"
    weight = 1

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "one": _run_of(Sequences),
            "each": _run_of(Tidied, number="${{ item }}", for_each=[3, 1, 2], parallel=2),
            "after": mark(scene, "${{ steps.each.output.map(one, one.output.number) }}", needs=["one", "each"]),
        }

    def output(self) -> object:
        return {"number": "${{ steps.one.output.output.number }}", "numbers": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"], "numbers": [3, 1, 2]}


class Detaching(Workload):
    """A run that nobody waits for, and that goes on whatever becomes of the one which started it."""

    name = "chaos-detaching"
    weight = 1
    cancels = 0.3

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "send": _run_of(Timers, mode="detach"),
            "after": mark(scene, "${{ input.number }}", needs="send", seconds=0.2),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}


class Slow(Tidied):
    """What `Recalled` starts: done, a pause long enough to be recalled in, done; it can be undone."""

    name = "chaos-slow"
    weight = 1

    def steps(self, scene: Scene) -> Mapping[str, object]:
        first, second = super().steps(scene).values()
        assert isinstance(second, Mapping)
        pause = {"needs": "first", "uses": "wait", "with": {"for": "2s"}}
        return {"first": first, "pause": pause, "second": {**second, "needs": ["pause", "first"]}}


class Recalled(Workload):
    """Cancelled while the runs it has started are under way: some end with it, one is asked to, one goes on."""

    name = "chaos-recalled"
    cancels = 1.0
    cancels_within_s = 2.5

    def steps(self, scene: Scene) -> Mapping[str, object]:
        started = {
            "with_it": _run_of(Slow),
            "each": _run_of(Slow, number="${{ item }}", for_each=[1, 2], parallel=2),
            "asked": _run_of(Slow, on_parent_end="request"),
            "free": _run_of(Slow, on_parent_end="abandon"),
        }
        return {**started, "after": mark(scene, "${{ input.number }}", needs=list(started))}

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}


class Disappointed(Workload):
    """It fails with the run it has started, and tidies up behind it."""

    name = "chaos-disappointed"
    weight = 1
    state = FAILED
    failing = frozenset({"fails"})

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {"fails": _run_of(Failures), "cleanup": mark(scene, 1, needs="fails", when="all_done")}


class Revived(Workload):
    """It fails with the run it has started, and comes back when that one, or its own dead letter, is brought back."""

    name = "chaos-revived"
    weight = 1
    failing = frozenset({"stubborn"})
    requeues = True

    def steps(self, scene: Scene) -> Mapping[str, object]:
        return {
            "stubborn": _run_of(Stubborn),
            "after": mark(scene, "${{ steps.stubborn.output.output.number }}", needs="stubborn"),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}
