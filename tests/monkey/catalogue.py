"""The workflows that the monkey plays with; together they use every way in which a run goes on or ends."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import orjson
from django.utils import timezone

from tests.chaos.workloads.workload import Scene as WorkloadScene
from tests.chaos.workloads.workload import Workload
from tests.flows import driving
from workflows import operations
from workflows.core.definition import JsonValue

LIMIT_CAPACITY = 1
EVENT = "monkey.paid"
REASON = "monkey"
"""Why the monkey does what it does; by it what it has paused is found again."""
KEYED = "keyed"
"""The kind of which one run of each key may be under way."""
_SLOW_S = 0.02
"""Long enough that two who must not be at work together would be seen together."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where steps leave traces, where a file named like a run opens its gate, the limit that some steps have, the
    connection to the till, and the names of the people who are asked."""

    ledger: Path
    gates: Path
    limit: str
    connection: str
    people: Sequence[str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A published workflow, and the input of its runs."""

    name: str
    workflow: str

    def value(self, dice: Random) -> dict[str, object]:
        """This will make an input."""
        return {"size": dice.randint(1, 4), "flag": dice.random() < 0.5, "key": dice.choice(["one", "two"])}


class Played(Workload):
    """What the laws know of a kind: how many runs of a key may be under way."""

    def __init__(self, kind: Kind) -> None:
        self.name = kind.workflow
        self.beside = 1 if kind.name == KEYED else None

    def steps(self, scene: WorkloadScene) -> Mapping[str, object]:
        """This will give nothing: it is published already."""
        return {}

    def key(self, value: JsonValue) -> str:
        """This will be the key for which a run with this input counts."""
        return str(value["key"]) if isinstance(value, Mapping) else ""


def publish(scene: Scene) -> list[Kind]:
    """This will publish every workflow of the catalogue under names of its own, each in two versions, half and half."""
    documents = {**_documents(scene), **_more_documents(scene)}
    found = [_published(name, document, scene=scene) for name, document in documents.items()]
    below = {kind.name: kind.workflow for kind in found}
    ends = ("cancel", "abandon", "request")
    detached = {
        "child": _child(below["waits"], mode="detach"),
        "children": _child(below["sequence"], mode="detach", for_each=[1, 2], parallel=2),
        "after": _Marks(scene)(1, needs=["child", "children"]),
    }
    found.append(_published("detached", {"steps": detached}, scene=scene))
    for name, end in zip(("sequence", "saga", "event"), ends, strict=True):
        steps = {
            "child": _child(below[name], on_parent_end=end),
            "after": _Marks(scene)(1, needs="child", when="all_done"),
        }
        found.append(_published(f"parent of {name}", {"steps": steps}, scene=scene))
    return found


def _published(name: str, document: Mapping[str, object], *, scene: Scene) -> Kind:
    defaults: dict[str, object] = {"retry": dict(driving.AT_ONCE), "timeout": "20s"}
    steps = document["steps"]
    assert isinstance(steps, Mapping)
    more = {key: value for key, value in document.items() if key != "steps"}
    workflow = driving.publish(steps, defaults=defaults, **more)
    longer = {"name": workflow, "defaults": defaults, **more, "steps": {**steps, "more": _Marks(scene)("more")}}
    half = operations.Canary(percent=50)
    source = orjson.dumps(longer).decode()
    operations.publish(source=source, actor=driving.TESTER, now=timezone.now(), canary=half)
    return Kind(name, workflow)


def _child(workflow: str, **more: object) -> dict[str, object]:
    how: dict[str, object] = {key: more.pop(key) for key in ("mode", "on_parent_end") if key in more}
    wanted: dict[str, object] = {"name": workflow, "input": {"size": 1, "flag": True, "key": "child"}, **how}
    return {"uses": "workflow", "with": wanted, **more}


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
            "steps": {
                "a": mark(1, limits=[scene.limit], seconds=_SLOW_S),
                "b": mark(2, needs="a", limits=[scene.limit], seconds=_SLOW_S),
            },
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
        "asked": {
            "steps": {
                "ok": {"uses": "approval", "with": {"users": list(scene.people), "approvers": 2}},
                "oks": {
                    "for_each": [1, 2],
                    "parallel": 2,
                    "uses": "approval",
                    "with": {"users": list(scene.people), "on_reject": "fail"},
                },
                "after": mark(1, needs=["ok", "oks"], when="all_done", undo=_undo(scene)),
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


def _more_documents(scene: Scene) -> dict[str, dict[str, object]]:
    """Those that grow, tolerate, ask for a time, pay, and stand in line."""
    mark, stuck = _Marks(scene), _stuck(scene)
    asked = {"users": list(scene.people), "expires": "2h"}
    return {
        "grown": {
            "steps": {
                "a": mark(1),
                "grow": driving.call("grow_fan", args={"count": 2, "ledger": str(scene.ledger)}, needs="a"),
                "after": mark(2, needs="grow", when="all_done"),
                "last": {"needs": "after", **stuck},
            },
        },
        "tolerant": {
            "steps": {
                "all": {**stuck, "for_each": [1, 2, 3], "parallel": 2, "on_failure": "collect"},
                "some": {**stuck, "for_each": [1, 2, 3], "on_failure": {"threshold": 1}},
                "quick": {**stuck, "for_each": [1, 2, 3], "parallel": 2, "on_failure": "fail_fast"},
                "after": mark(1, needs=["all", "some", "quick"], when="all_done"),
            },
        },
        "hurried": {
            "steps": {
                "ok": {"uses": "approval", "with": {**asked, "approvers": 2}},
                "pay": mark(1, needs="ok", undo=_undo(scene), **{"if": "steps.ok.output.approved"}),
                "stuck": {"needs": "pay", "when": "none_failed", **stuck},
            },
        },
        "manual": {
            "steps": {
                "do": {"uses": "task", "with": asked},
                "each": {"uses": "task", "with": {"users": list(scene.people)}, "for_each": [1, 2], "parallel": 2},
                "after": mark(1, needs=["do", "each"], when="all_done"),
            },
        },
        "paid": {
            "steps": {
                "before": mark(1),
                "charge": {
                    "needs": "before",
                    "uses": "http.request",
                    "connection": scene.connection,
                    "with": {"method": "POST", "path": "/charges", "json": {"run": "${{ run.id }}"}},
                },
                "after": mark(2, needs="charge", when="all_done"),
            },
        },
        KEYED: {
            "concurrency": {"key": "${{ input.key }}", "limit": 1, "overflow": "queue"},
            "steps": {"a": mark(1), "b": {"needs": "a", **stuck}, "c": mark(3, needs="b", when="all_done")},
        },
        "bulk": {"steps": {"a": mark(1, queue="bulk"), "b": mark(2, needs="a"), "c": mark(3, needs="b", queue="bulk")}},
    }


class _Marks:
    def __init__(self, scene: Scene) -> None:
        self._ledger = str(scene.ledger)

    def __call__(self, value: object, **more: object) -> dict[str, object]:
        args = {"value": value, "ledger": self._ledger, "seconds": more.pop("seconds", 0.0)}
        return driving.call("mark", args=args, **more)


def _fails_until(scene: Scene, attempt: int, **more: object) -> dict[str, object]:
    return driving.call("fail_until", args={"attempt": attempt, "ledger": str(scene.ledger)}, **more)


def _stuck(scene: Scene) -> dict[str, object]:
    """It fails as long as the gate of its run is not open."""
    args = {"path": f"{scene.gates}/${{{{ run.id }}}}", "ledger": str(scene.ledger)}
    return driving.call("fail_unless", args=args)


def _undo(scene: Scene) -> dict[str, object]:
    return _Marks(scene)("undone")
