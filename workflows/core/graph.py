"""The graph of a definition: who waits for whom; it never knows how work is carried."""

import graphlib
from collections.abc import Iterable, Mapping
from functools import cached_property

from workflows.core.definition import StepDefinition
from workflows.core.order import upstream_of
from workflows.core.states import Phase

_PHASES = {phase: number for number, phase in enumerate(Phase)}


class Graph:
    """Steps and their needs, in a topological order that keeps the document's order where it can, phase by phase.

    Raises `graphlib.CycleError` when steps wait for each other, `KeyError` when a need does not exist.
    """

    def __init__(self, steps: Iterable[StepDefinition]) -> None:
        self.steps: Mapping[str, StepDefinition] = {step.id: step for step in steps}
        self.needs: Mapping[str, tuple[str, ...]] = {
            step.id: tuple(dict.fromkeys(step.needs)) for step in self.steps.values()
        }
        dependents: dict[str, list[str]] = {step_id: [] for step_id in self.steps}
        for step_id, needs in self.needs.items():
            for need in needs:
                dependents[need].append(step_id)
        self.dependents: Mapping[str, tuple[str, ...]] = {step_id: tuple(ids) for step_id, ids in dependents.items()}
        in_order = graphlib.TopologicalSorter(self.needs).static_order()
        self.order: tuple[str, ...] = tuple(sorted(in_order, key=lambda step_id: _PHASES[self.steps[step_id].phase]))

    @cached_property
    def ancestors(self) -> Mapping[str, frozenset[str]]:
        """This will give, for each step, all steps that have ended before it can start."""
        return upstream_of(self.needs)

    def upstream(self, step_id: str) -> frozenset[str]:
        """This will give every step that `step_id` waits for, directly or not."""
        return self.ancestors[step_id]

    def only_need_of(self, step_id: str) -> str | None:
        """This will give the one step that `step_id` waits for, or None when it has none or several."""
        needs = self.needs[step_id]
        return needs[0] if len(needs) == 1 else None
