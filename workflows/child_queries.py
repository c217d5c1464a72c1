"""Reads of runs that steps of other runs have started: who is above a run, who is below it; it changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from workflows.core.states import RunState
from workflows.core.subworkflow import MAX_DEPTH, Mode
from workflows.models import ChildRun, Run

_TREE_RUNS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative:
    """A run that is tied to another one: at `depth` below the first (0: itself), started for `step` (`index`) above."""

    run_id: UUID
    workflow: str
    state: str
    depth: int
    parent_id: UUID | None
    step: str = ""
    index: int | None = None
    mode: str = ""
    on_parent_end: str = ""

    @property
    def place(self) -> str:
        """This will name the step it was started for, or the item."""
        return self.step if self.index is None else f"{self.step}[{self.index}]"

    @property
    def indent(self) -> str:
        """This will show in a list how deep it is."""
        return "\u2003" * (self.depth - 1) + "\u2514 " if self.depth else ""


@dataclass(frozen=True, slots=True)
class Family:
    """A run with all that are above it and below it, parents before their children. `is_cut`: there are more."""

    members: Sequence[Relative]
    is_cut: bool


def ancestors(run_id: UUID) -> Sequence[ChildRun]:
    """This will give how a run came to be started by steps, its own parent first."""
    found: list[ChildRun] = []
    while len(found) < MAX_DEPTH and (link := parent_link(run_id)) is not None:
        found.append(link)
        run_id = link.parent_id
    return found


def parent_link(run_id: UUID) -> ChildRun | None:
    """This will give the step that has started a run; None where nobody but a caller did."""
    return ChildRun.objects.filter(child_id=run_id, is_own=True).order_by("id").first()


def children_of(run_id: UUID) -> QuerySet[ChildRun]:
    """This will select the runs that the steps of a run have started, in that order, each with its `state`."""
    state = Run.objects.filter(id=OuterRef("child_id")).values("state")[:1]
    return ChildRun.objects.filter(parent_id=run_id).annotate(state=Subquery(state)).order_by("id")


def states_of(links: Sequence[ChildRun]) -> Mapping[UUID, str]:
    """This will give the states of the runs these lead to."""
    return dict(Run.objects.filter(id__in={link.child_id for link in links}).values_list("id", "state"))


def running_children(run_id: UUID, *, step: str, limit: int) -> Sequence[ChildRun]:
    """This will give runs that a step waits for, the earliest first."""
    running = Run.objects.filter(id=OuterRef("child_id"), state=RunState.RUNNING)
    return list(children_of(run_id).filter(Exists(running), step=step, mode=Mode.WAIT)[:limit])


def family_of(run: Run) -> Family | None:
    """This will give everybody a run is tied to; None where there is nobody."""
    above = ancestors(run.id)
    top_id = above[-1].parent_id if above else run.id
    top = Run.objects.only("id", "workflow_name", "state").filter(id=top_id).first()
    if top is None:
        return None
    members = [Relative(run_id=top.id, workflow=top.workflow_name, state=top.state, depth=0, parent_id=None)]
    below: dict[UUID, list[Relative]] = {}
    level, depth = [top.id], 0
    count = 0
    while level and count < _TREE_RUNS and depth < MAX_DEPTH:
        depth += 1
        links = list(ChildRun.objects.filter(parent_id__in=level).order_by("id")[: _TREE_RUNS - count + 1])
        count += len(links)
        states = states_of(links)
        for link in links:
            below.setdefault(link.parent_id, []).append(_relative(link, states=states, depth=depth))
        level = [link.child_id for link in links]
    if not below:
        return None
    _walk(members, below=below, parent_id=top.id)
    return Family(members[:_TREE_RUNS], is_cut=len(members) > _TREE_RUNS)


def _relative(link: ChildRun, *, states: Mapping[UUID, str], depth: int) -> Relative:
    return Relative(
        run_id=link.child_id,
        workflow=link.workflow_name,
        state=states.get(link.child_id, ""),
        depth=depth,
        parent_id=link.parent_id,
        step=link.step,
        index=link.index,
        mode=link.mode,
        on_parent_end=link.on_parent_end,
    )


def _walk(members: list[Relative], *, below: dict[UUID, list[Relative]], parent_id: UUID) -> None:
    """Parents before their children; a run that several have joined is gone into once."""
    for relative in below.pop(parent_id, ()):
        members.append(relative)
        _walk(members, below=below, parent_id=relative.run_id)
