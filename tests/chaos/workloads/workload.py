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


class Workload(abc.ABC):
    """One kind of work. `weight` is how often it is drawn; `state` is how a run ends that nobody cancels.

    `failing` are the steps that may become dead letters. `requeues` says that a client brings those back once the
    run's gate is open, after which it succeeds.
    """

    name: str
    weight: int = 2
    state: str = SUCCEEDED
    failing: frozenset[str] = frozenset()
    requeues: bool = False

    @abc.abstractmethod
    def steps(self, scene: Scene) -> Mapping[str, object]:
        """This will be the steps of the definition."""

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
        }
        return document if self.output() is None else {**document, "output": self.output()}


def mark(scene: Scene, value: object, *, seconds: float = 0.0, **more: object) -> dict[str, object]:
    """This will be a step that leaves a trace in the outside ledger and gives `value`."""
    args = {"value": value, "ledger": str(scene.ledger), "seconds": seconds}
    return {"uses": "python", "with": {"call": "flows.mark", "args": args}, **more}
