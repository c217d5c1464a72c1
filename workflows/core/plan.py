"""The plan of a version: its steps cut into segments; compiled once, immutable, hashed, never executed here.

A segment is a straight piece of the graph: consecutive steps with no fork or join between them, on one lane.
A `for_each` step is a segment of its own, worked on by up to `parallel` pullers. So is a step with `limits`: its
slots are taken when it begins and free when it ends, whatever stands before and behind it. And so is one whose time
runs from the moment it is ready: that moment is its activation's. A `switch` ends its segment: what stands behind it
depends on what it chose.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import NotRequired, TypedDict

from workflows.core import switching
from workflows.core.allowances import UNBOUNDED
from workflows.core.definition import Definition, StepDefinition
from workflows.core.graph import Graph
from workflows.core.states import Phase


class SegmentDocument(TypedDict):
    """A segment as it is stored with its version. `limits` is there only where there are some."""

    steps: list[str]
    lane: str
    for_each: bool
    limits: NotRequired[list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Consecutive steps that one wake-up carries through. `limits` are in order of their names."""

    index: int
    steps: tuple[str, ...]
    lane: str
    is_map: bool
    limits: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        """This will give the step that begins the segment."""
        return self.steps[0]

    @property
    def tail(self) -> str:
        """This will give the step that ends the segment."""
        return self.steps[-1]


@dataclass(frozen=True)
class Plan:
    """A definition with its segments. Positions are indexes into `Segment.steps`.

    `grown` has the steps that a run has come by while it ran, by the step that returned them.
    """

    definition: Definition
    segments: tuple[Segment, ...]
    grown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def graph(self) -> Graph:
        """This will give the graph of the definition."""
        return Graph(self.definition.all_steps)

    @cached_property
    def main(self) -> tuple[str, ...]:
        """This will give the steps that run before the run is ending, in topological order."""
        return self._of(Phase.MAIN)

    @cached_property
    def finals(self) -> tuple[str, ...]:
        """This will give the `finally` steps, in topological order."""
        return self._of(Phase.FINALLY)

    @cached_property
    def undo_of(self) -> Mapping[str, StepDefinition]:
        """This will give the undo of each step that has one, in topological order of the steps."""
        undos = {step.undoes: step for step in self.definition.undo_steps}
        return {step: undos[step] for step in self.main if step in undos}

    @property
    def has_closing(self) -> bool:
        """This will tell whether there may be work to do when a run is ending."""
        return bool(self.definition.undo_steps or self.definition.finally_steps)

    def phase_of(self, segment: int) -> Phase:
        """This will say to which part of a run a segment belongs."""
        return self.graph.steps[self.segments[segment].head].phase

    def _of(self, phase: Phase) -> tuple[str, ...]:
        return tuple(step for step in self.graph.order if self.graph.steps[step].phase is phase)

    @cached_property
    def place_of(self) -> Mapping[str, tuple[int, int]]:
        """This will give segment index and position of each step."""
        return {
            step: (segment.index, position) for segment in self.segments for position, step in enumerate(segment.steps)
        }

    @cached_property
    def switches(self) -> Mapping[str, frozenset[str]]:
        """This will give the steps that each `switch` names."""
        return {
            step.id: frozenset(target.step for target in switching.targets(step.inputs))
            for step in self.definition.steps
            if step.uses == switching.USES
        }

    @cached_property
    def switches_of(self) -> Mapping[str, tuple[str, ...]]:
        """This will give, for each step that is named by a `switch`, all that name it."""
        named = frozenset().union(*self.switches.values())
        return {step: tuple(switch for switch, names in self.switches.items() if step in names) for step in named}

    @cached_property
    def grown_by(self) -> Mapping[str, str]:
        """This will give the step that returned each step of the run that it was not started with."""
        return {one: step for step, steps in self.grown.items() for one in steps}

    @cached_property
    def is_straight(self) -> bool:
        """This will tell whether the whole workflow is one segment without items: the hot case."""
        return len(self.segments) == 1 and not self.segments[0].is_map

    def step_at(self, *, segment: int, position: int) -> StepDefinition:
        """This will give the definition of the step at a place of the plan."""
        return self.graph.steps[self.segments[segment].steps[position]]

    def successors(self, segment: Segment) -> tuple[Segment, ...]:
        """This will give the segments whose head waits for the tail of `segment`."""
        return tuple(self.segments[self.place_of[step][0]] for step in self.graph.dependents[segment.tail])

    def document(self) -> list[SegmentDocument]:
        """This will give the segments as JSON, as they are stored with the version."""
        return [_document(segment) for segment in self.segments]

    @cached_property
    def digest(self) -> str:
        """This will give the SHA-256 of the segments, in hexadecimal."""
        text = json.dumps(self.document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def compile_plan(definition: Definition) -> Plan:
    """This will cut the definition into the longest straight segments.

    A step continues the segment of the step before it when each is the other's only neighbour on that side,
    both run on the same lane, neither stands alone (`for_each`, `limits`, times from when it is ready), and the first
    is no `switch`.
    """
    graph = Graph(definition.all_steps)
    pieces: list[list[str]] = []
    piece_of: dict[str, list[str]] = {}
    for step_id in graph.order:
        before = graph.only_need_of(step_id)
        if before is not None and _continues(graph=graph, before=before, step_id=step_id):
            piece_of[before].append(step_id)
            piece_of[step_id] = piece_of[before]
        else:
            piece_of[step_id] = [step_id]
            pieces.append(piece_of[step_id])
    return Plan(definition=definition, segments=_segments(graph=graph, pieces=pieces))


def restore_plan(
    definition: Definition,
    *,
    document: Sequence[SegmentDocument],
    grown: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Plan:
    """This will rebuild the plan a version was published with, however this code would cut it today."""
    segments = tuple(
        Segment(
            index=index,
            steps=tuple(item["steps"]),
            lane=item["lane"],
            is_map=item["for_each"],
            limits=tuple(item.get("limits", ())),
        )
        for index, item in enumerate(document)
    )
    return Plan(definition=definition, segments=segments, grown={step: tuple(steps) for step, steps in grown.items()})


def _continues(*, graph: Graph, before: str, step_id: str) -> bool:
    first, second = graph.steps[before], graph.steps[step_id]
    return (
        graph.dependents[before] == (step_id,)
        and first.queue == second.queue
        and not _stands_alone(first)
        and first.uses != switching.USES
        and not _stands_alone(second)
    )


def _stands_alone(step: StepDefinition) -> bool:
    return step.for_each is not None or bool(step.limits) or step.allowance != UNBOUNDED


def _document(segment: Segment) -> SegmentDocument:
    document: SegmentDocument = {"steps": list(segment.steps), "lane": segment.lane, "for_each": segment.is_map}
    if segment.limits:
        document["limits"] = list(segment.limits)
    return document


def _segments(*, graph: Graph, pieces: Sequence[Sequence[str]]) -> tuple[Segment, ...]:
    return tuple(
        Segment(
            index=index,
            steps=tuple(piece),
            lane=graph.steps[piece[0]].queue,
            is_map=graph.steps[piece[0]].for_each is not None,
            limits=tuple(sorted(set(graph.steps[piece[0]].limits))),
        )
        for index, piece in enumerate(pieces)
    )
