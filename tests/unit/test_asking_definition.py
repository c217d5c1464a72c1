"""What is wrong with the `with` of a step that asks people is told at its place."""

from typing import Any

import pytest

from workflows.asking_options import Approval, Task
from workflows.dsl import Flow
from workflows.validation import find_problems

WHO: Any = {"users": ["ada"]}  # Any: JSON


def problems_of(uses: str, inputs: Any) -> list[tuple[str, str]]:  # Any: JSON
    """This will give the paths, below `with`, and the messages of everything that is wrong."""
    document: Any = {"name": "w", "steps": {"a": {"uses": uses, "with": inputs}}}
    found = find_problems(document, uses={})
    return [(one.path.removeprefix("$.steps.a.with"), one.message) for one in found]


@pytest.mark.parametrize(
    ("uses", "inputs", "path", "says"),
    [
        ("approval", {}, "", "users"),
        ("approval", {**WHO, "expires": "soon"}, ".expires", "not a length of time"),
        ("approval", {**WHO, "on_expiry": "approve"}, ".on_expiry", "needs `expires`"),
        ("approval", {**WHO, "delegation": "no"}, ".delegation", "true or false"),
        ("approval", {**WHO, "due": "1d"}, ".due", "no key"),
        ("approval", {**WHO, "remind": ["1d"]}, ".remind", "needs `notify`"),
        ("approval", {**WHO, "notify": [{"channel": "mail"}], "remind": ["0s"]}, ".remind[0]", "longer than nothing"),
        ("approval", {**WHO, "notify": [{"channel": "pigeon"}]}, ".notify[0].channel", "no channel 'pigeon'"),
        ("approval", {**WHO, "notify": [{"channel": "mail", "recipient": "boss"}]}, ".notify[0]", "no mail address"),
        (
            "approval",
            {**WHO, "notify": [{"channel": "log", "recipient": "desk", "link": True}]},
            ".notify[0].link",
            "never to a recipient",
        ),
        ("approval", {**WHO, "notify": [{"channel": "mail", "on": ["never"]}]}, ".notify[0].on[0]", "not allowed"),
        ("task", {**WHO, "due": "0s"}, ".due", "longer than nothing"),
        ("task", {**WHO, "approvers": 2}, ".approvers", "no key"),
        ("task", {**WHO, "expires": "1d", "on_expiry": "approve"}, ".on_expiry", "not allowed"),
    ],
)
def test_wrong_asking_is_told_at_its_place(uses: str, inputs: Any, path: str, says: str) -> None:  # Any: JSON
    ((found_path, message),) = problems_of(uses, inputs)

    assert found_path == path
    assert says in message


def test_python_writes_the_same_document() -> None:
    flow = Flow()
    asking: Approval = {"users": ["ada"], "notify": [{"channel": "mail", "on": ["opened"]}], "remind": ["1h"]}
    work: Task = {"groups": ["crew"], "due": "2d", "on_expiry": "continue", "expires": "3d"}

    flow.task("do", work, needs=flow.approval("ok", asking))

    assert flow.steps["ok"] == {"uses": "approval", "with": asking}
    assert flow.steps["do"] == {"uses": "task", "with": work, "needs": "ok"}
    assert [problems_of(step["uses"], step["with"]) for step in flow.steps.values()] == [[], []]  # type: ignore[arg-type]
