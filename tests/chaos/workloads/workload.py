"""What a workload is: a workflow, inputs for its runs, and how a run must end; it starts nothing itself."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from uuid import UUID

from workflows.core.definition import JsonValue

SUCCEEDED = "succeeded"
FAILED = "failed"
CONNECTION = "chaos-gateway"


@dataclass(frozen=True, slots=True)
class Scene:
    """Where steps leave traces: the outside ledger, and the folder where a file opens the gate of a run."""

    ledger: Path
    gates: Path

    def gate(self, run_id: UUID) -> Path:
        """This will be the file without which a stubborn step of the run fails."""
        return self.gates / str(run_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """So many runs of a key may begin at once, then one more each `every_s` seconds."""

    burst: int
    every_s: float


class Workload(abc.ABC):
    """One kind of work.

    `weight` is how often clients draw it, `crowd` how many starts come at once then; `state` is how a run ends that
    nobody cancels.
    `failing` are the steps that may become dead letters. `requeues` says that a client brings those back once the
    run's gate is open, after which it succeeds. `cancels` is which share of the runs that clients start over the API
    they cancel again, within `cancels_within_s` seconds.

    `is_api_only` keeps it out of business transactions. `is_shared`: a start may be answered with the run of another
    one. `refuses`: it may be refused. `makes_way`: a run is cancelled when a later one of its key comes. `beside` is
    how many runs of a key may be under way at a time, `turns` how often one may begin.
    """

    name: str
    weight: int = 2
    crowd: int = 1
    state: str = SUCCEEDED
    failing: frozenset[str] = frozenset()
    requeues: bool = False
    cancels: float = 0.08
    cancels_within_s: float = 0.5
    is_api_only: bool = False
    is_shared: bool = False
    refuses: bool = False
    makes_way: bool = False
    beside: int | None = None
    turns: Turns | None = None

    @abc.abstractmethod
    def steps(self, scene: Scene) -> Mapping[str, object]:
        """This will be the steps of the definition."""

    def rules(self) -> Mapping[str, object]:
        """This will be the keys of the definition that say when runs begin, or what starts them."""
        return {}

    def key(self, value: JsonValue) -> str:
        """This will be the key for which such rules count a run with this input."""
        return ""

    def output(self) -> object:
        """This will be the output of the definition, templates unevaluated."""
        return None

    def value(self, *, dice: Random, number: int) -> JsonValue:
        """This will make the input of run `number`."""
        return {"number": number, "size": dice.randint(1, 9)}

    def result(self, value: JsonValue) -> object:
        """This will be the output a succeeded run must have for this input."""
        return None

    def document(self, scene: Scene) -> dict[str, object]:
        """This will be the whole definition; its steps have attempts enough to outlast what strikes them."""
        retry = {"attempts": 12, "first": "50ms", "factor": 2, "cap": "500ms"}
        document: dict[str, object] = {
            "name": self.name,
            "defaults": {"retry": retry, "timeout": "20s"},
            "steps": dict(self.steps(scene)),
            **self.rules(),
        }
        return document if self.output() is None else {**document, "output": self.output()}


def mark(
    scene: Scene, value: object, *, seconds: float = 0.0, call: str = "flows.mark", **more: object
) -> dict[str, object]:
    """This will be a step that leaves a trace in the outside ledger and gives `value`."""
    args = {"value": value, "ledger": str(scene.ledger), "seconds": seconds}
    return {"uses": "python", "with": {"call": call, "args": args}, **more}
