"""Approvals: people are asked while everything dies; each of them answers once, and the run goes on as they decided."""

from collections.abc import Mapping
from random import Random

from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue

GROUP = "chaos-deciders"
PEOPLE = ("chaos-ada", "chaos-bob", "chaos-eve")
"""The members of the group."""
ASKS, FOLLOWS = "ok", "pay"
"""The step that asks, and the step that is done only when it was approved."""
APPROVERS = 2


def will_of(person: str, *, number: int, verdict: str) -> str | None:
    """This will say what a person thinks of run `number`, the same whenever it is asked; None: never answers.

    In a hurry each decides alone, and two in five never answer. Else all approve, or all but the first reject: too few
    are left to approve then.
    """
    if verdict == "hurried":
        return Random(f"{person}/{number}").choice(("approve", "approve", "reject", None, None))
    return "reject" if verdict == "reject" and person != PEOPLE[0] else "approve"


class Approvals(Workload):
    """Two of three must approve; the first rejection decides."""

    name = "chaos-approval"
    verdicts: tuple[str, ...] = ("approve", "approve", "reject")
    expires: str | None = None

    def steps(self, scene: Scene) -> Mapping[str, object]:
        asked: dict[str, object] = {
            "groups": [GROUP],
            "approvers": APPROVERS,
            "title": "Pay ${{ string(input.size) }}?",
            "show": {"number": "${{ input.number }}", "verdict": "${{ input.verdict }}"},
        }
        if self.expires is not None:
            asked["expires"] = self.expires
        return {
            "before": mark(scene, "${{ input.number }}"),
            ASKS: {"needs": "before", "uses": "approval", "with": asked},
            FOLLOWS: {**mark(scene, "${{ input.size }}", needs=ASKS), "if": f"steps.{ASKS}.output.approved"},
            "after": mark(scene, "${{ input.number }}", needs=FOLLOWS, when="none_failed", queue="io"),
        }

    def output(self) -> object:
        return {"number": "${{ steps.after.output }}"}

    def value(self, *, dice: Random, number: int) -> JsonValue:
        return {"number": number, "size": dice.randint(1, 9), "verdict": dice.choice(self.verdicts)}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"number": value["number"]}


class Hurried(Approvals):
    """The same with hardly time enough: who comes first, the last of two people or the clock, decides."""

    name = "chaos-hurried-approval"
    weight = 1
    verdicts = ("hurried",)
    expires = "1500ms"
