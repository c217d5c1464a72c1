"""Failures: a step that is refused, what is given up behind it, and what is done all the same."""

from collections.abc import Mapping

from tests.chaos.workloads.workload import FAILED, Scene, Workload, mark


class Failures(Workload):
    """`refused` fails for good; `never` is given up; `cleanup` runs in spite of it."""

    name = "chaos-failure"
    weight = 1
    state = FAILED
    failing = frozenset({"refused"})

    def steps(self, scene: Scene) -> Mapping[str, object]:
        args = {"value": "${{ input.size }}", "bad": "${{ input.size }}"}
        return {
            "before": mark(scene, "${{ input.number }}"),
            "refused": {"needs": "before", "uses": "python", "with": {"call": "flows.fail_on", "args": args}},
            "never": mark(scene, 1, needs="refused"),
            "cleanup": mark(scene, 2, needs=["refused", "before"], when="all_done", queue="io"),
        }
