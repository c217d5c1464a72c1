"""The workflows that the monkey plays with; together they use every way in which a run goes on or ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.flows import driving
from workflows.core.definition import JsonValue

LIMIT_CAPACITY = 1
EVENT = "monkey.paid"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where steps leave traces, where a file named like a run opens its gate, and the limit that some steps have."""

    ledger: Path
    gates: Path
    limit: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A published workflow, and the input of its runs."""

    name: str
    workflow: str

    def value(self, dice: Random) -> JsonValue:
        """This will make an input."""
        return {"size": dice.randint(1, 4), "flag": dice.random() < 0.5}


def publish(scene: Scene) -> list[Kind]:
    """This will publish every workflow of the catalogue under names of its own."""
    defaults = {"retry": dict(driving.AT_ONCE), "timeout": "20s"}
    found = []
    for name, document in _documents(scene).items():
        steps = document["steps"]
        assert isinstance(steps, Mapping)
        more = {key: value for key, value in document.items() if key != "steps"}
        found.append(Kind(name, driving.publish(steps, defaults=defaults, **more)))
    below = {kind.name: kind.workflow for kind in found}
    ends = ("cancel", "abandon", "request")
    for name, end in zip(("sequence", "saga", "event"), ends, strict=True):
        steps = {
            "child": _child(below[name], on_parent_end=end),
            "after": _Marks(scene)(1, needs="child", when="all_done"),
        }
        found.append(Kind(f"parent of {name}", driving.publish(steps, defaults=defaults)))
    return found


def _child(workflow: str, **more: object) -> dict[str, object]:
    return {"uses": "workflow", "with": {"name": workflow, "input": {"size": 1, "flag": True}, **more}}


def _documents(scene: Scene) -> dict[str, dict[str, object]]:
    mark, stuck = _Marks(scene), _stuck(scene)
    return {
        "sequence": {
            "deadline": "1h",
            "steps": {"a": mark(1), "b": mark(2, needs="a"), "c": mark(3, needs="b")},
        },
        "fork": {
            "steps": {
                "a": mark(1),
                "b": mark(2, needs="a", **{"if": "${{ input.flag }}"}),
                "c": {"needs": "a", **stuck},
                "d": mark(4, needs=["b", "c"], when="all_done"),
                "e": mark(5, needs=["b", "d"], when="none_failed"),
            },
        },
        "map": {
            "steps": {
                "a": mark(1),
                "items": _fails_until(scene, 2, needs="a", for_each=[1, 2, 3, 4, 5], parallel=2),
                "z": mark(2, needs="items", limits=[scene.limit]),
            },
        },
        "stuck items": {
            "steps": {
                "items": {**stuck, "for_each": [1, 2, 3], "parallel": 2},
                "after": mark(1, needs="items", when="all_done"),
            },
        },
        "saga": {
            "deadline": "1h",
            "cancel": {"grace": "30s", "undo": True},
            "steps": {
                "first": mark(1, undo=_undo(scene)),
                "second": mark(2, needs="first", undo=_undo(scene)),
                "third": {"needs": "second", **stuck},
            },
            "finally": {"tidy": mark("${{ run.ending }}")},
        },
        "waits": {
            "steps": {
                "pause": {"uses": "wait", "with": {"for": "1h"}},
                "pauses": {"for_each": [1, 2, 3], "parallel": 2, "uses": "wait", "with": {"for": "${{ item }}h"}},
                "after": mark(1, needs=["pause", "pauses"]),
            },
        },
        "rounds": {
            "steps": {
                "poll": {
                    "uses": "python",
                    "with": {"call": "flows.poll", "args": {"ledger": str(scene.ledger), "done_in": 3}},
                    "repeat_until": {"condition": "${{ output.status == 'done' }}", "every": "1h", "times": 4},
                },
                "after": mark(1, needs="poll"),
            },
        },
        "limited": {
            "steps": {"a": mark(1, limits=[scene.limit]), "b": mark(2, needs="a", limits=[scene.limit])},
            "finally": {"tidy": mark(3)},
        },
        "early": {
            "steps": {
                "a": mark(1, undo=_undo(scene)),
                "b": mark(2),
                "out": {"needs": "a", "if": "${{ input.flag }}", "uses": "return", "with": {"early": True}},
                "c": mark(3, needs=["b", "out"], when="none_failed"),
            },
            "finally": {"tidy": mark(4)},
        },
        "event": {
            "steps": {
                "paid": {
                    "uses": "wait",
                    "with": {"event": {"type": EVENT, "key": "${{ run.id }}"}, "for": "3h", "on_timeout": "continue"},
                },
                "after": mark(1, needs="paid", undo=_undo(scene)),
            },
        },
        "choice": {
            "steps": {
                "which": {
                    "uses": "switch",
                    "with": {"value": "${{ input.size }}", "cases": {"1": "one", "2": "two"}, "default": "many"},
                },
                "one": mark(1, needs="which"),
                "two": {"needs": "which", **stuck},
                "many": mark(3, needs="which"),
                "end": mark(4, needs=["one", "two", "many"], when="none_failed"),
            },
        },
    }


class _Marks:
    def __init__(self, scene: Scene) -> None:
        self._ledger = str(scene.ledger)

    def __call__(self, value: object, **more: object) -> dict[str, object]:
        return driving.call("mark", args={"value": value, "ledger": self._ledger}, **more)


def _fails_until(scene: Scene, attempt: int, **more: object) -> dict[str, object]:
    return driving.call("fail_until", args={"attempt": attempt, "ledger": str(scene.ledger)}, **more)


def _stuck(scene: Scene) -> dict[str, object]:
    """It fails as long as the gate of its run is not open."""
    args = {"path": f"{scene.gates}/${{{{ run.id }}}}", "ledger": str(scene.ledger)}
    return driving.call("fail_unless", args=args)


def _undo(scene: Scene) -> dict[str, object]:
    return _Marks(scene)("undone")
