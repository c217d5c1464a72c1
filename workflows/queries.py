"""Reads of the engine's tables, each with a named order; they change nothing."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import Count, QuerySet

from workflows import pauses, statements
from workflows.core import identity, tolerance
from workflows.core.allowances import Latest
from workflows.core.closing import Past
from workflows.core.definition import JsonValue
from workflows.core.plan import Plan
from workflows.core.run_selection import RunSelection
from workflows.core.states import FailureKind, RunState, StepState
from workflows.core.switching import chosen_of
from workflows.errors import UnknownDeadLetter, UnknownRun, UnknownVersion, UnknownWorkflow
from workflows.models import Activation, DeadLetter, Item, Run, Step, Workflow, WorkflowVersion


def step_states(*, run_id: UUID) -> dict[str, StepState]:
    """This will give the state of every step of a run that has ended."""
    rows = Step.objects.filter(run_id=run_id).values_list("step", "state")
    return {step: StepState(state) for step, state in rows}


def choices_of(*, run_id: UUID, plan: Plan) -> dict[str, frozenset[str]]:
    """This will give the steps that each ended `switch` of a run chose; nothing is asked where there is none."""
    if not plan.switches:
        return {}
    ended = Step.objects.filter(run_id=run_id, step__in=list(plan.switches), state=StepState.SUCCEEDED)
    return {step: chosen_of(output) for step, output in ended.values_list("step", "output")}


def latest_of(activation_id: int) -> Latest:
    """This will say until when the step of an activation must have begun and ended."""
    row = Activation.objects.filter(id=activation_id).values_list("latest_start_at", "latest_end_at").first()
    return Latest() if row is None else Latest(start_at=row[0], end_at=row[1])


def past_of(*, run_id: UUID) -> dict[str, Past]:
    """This will give how the steps of a run have ended, as its end judges them."""
    rows = Step.objects.filter(run_id=run_id).values_list("step", "state", "ended_at", "started_at", "error__kind")
    return {
        step: Past(
            state=StepState(state),
            ended_at=ended_at,
            may_have_happened=started_at is not None and kind != FailureKind.REFUSED,
        )
        for step, state, ended_at, started_at, kind in rows
    }


def results_of(*, run_id: UUID, steps: Collection[str], plan: Plan) -> dict[str, dict[str, JsonValue]]:
    """This will give {state, output} of ended steps, as expressions see them; a `for_each` gives its list."""
    grown = {step: plan.grown[step] for step in steps if step in plan.grown}
    if grown:
        return _with_grown(grown, run_id=run_id, steps=steps, plan=plan)
    rows = Step.objects.filter(run_id=run_id, step__in=list(steps)).values_list("step", "state", "output")
    results: dict[str, dict[str, JsonValue]] = {
        step: {"state": state, "output": output} for step, state, output in rows
    }
    for step, result in results.items():
        definition = plan.graph.steps[step]
        if definition.for_each is not None and result["state"] != StepState.SKIPPED:
            policy = definition.on_failure
            is_marked = policy is not None and policy.is_marked
            result["output"] = item_outputs(run_id=run_id, step=step, is_marked=is_marked)
    return results


def _with_grown(
    grown: Mapping[str, Collection[str]], *, run_id: UUID, steps: Collection[str], plan: Plan
) -> dict[str, dict[str, JsonValue]]:
    """What a step has returned is seen through it: `steps.<id>.grown.<new>`."""
    new = {one for ones in grown.values() for one in ones}
    plain = replace(plan, grown={})
    results = results_of(run_id=run_id, steps={*steps, *new}, plan=plain)
    for step, ones in grown.items():
        if step in results:
            results[step]["grown"] = {one: results[one] for one in ones if one in results}
    return {step: result for step, result in results.items() if step in steps}


def item_outputs(*, run_id: UUID, step: str, is_marked: bool = False) -> list[JsonValue]:
    """This will give the outputs of a `for_each`, in the order of its items; null where one failed.

    `is_marked`: `{ok: true, output}` or `{ok: false, error}` instead.
    """
    items = Item.objects.filter(run_id=run_id, step=step).order_by("index")
    if is_marked:
        return list(tolerance.marked(items.values_list("state", "output", "error")))
    return list(items.values_list("output", flat=True))


def first_error(*, run_id: UUID, steps: Collection[str]) -> Mapping[str, JsonValue] | None:
    """This will give the error of the one of these steps that failed first."""
    failed = Step.objects.filter(run_id=run_id, step__in=steps, state=StepState.FAILED).order_by("ended_at", "step")
    error: Mapping[str, JsonValue] | None = failed.values_list("error", flat=True).first()
    return error


def sweeps_wanted(*, now: datetime) -> Sequence[str]:
    """This will name the parts of a sweep that may have something to do, in the order in which they go."""
    return list(statements.run("find_sweeps", {"now": now})[0][0])


def past_deadline(*, now: datetime) -> Sequence[UUID]:
    """This will give running runs whose deadline has passed and is not held, longest past first; at most 100."""
    runs = Run.objects.filter(state=RunState.RUNNING, deadline_at__lte=now).order_by("deadline_at")
    return list(pauses.unheld(runs).values_list("id", flat=True)[:100])


def get_workflow(*, name: str) -> Workflow:
    """This will read a workflow by its name. Raises UnknownWorkflow."""
    workflow = Workflow.objects.filter(name=name).first()
    if workflow is None:
        raise UnknownWorkflow(name)
    return workflow


def versions_of(*, workflow: Workflow) -> QuerySet[WorkflowVersion]:
    """This will select the versions of a workflow, the newest first."""
    return workflow.versions.select_related("workflow").order_by("-number")


def get_version(*, workflow: Workflow, number: int) -> WorkflowVersion:
    """This will read one version of a workflow. Raises UnknownVersion."""
    version = versions_of(workflow=workflow).filter(number=number).first()
    if version is None:
        raise UnknownVersion(workflow=workflow.name, number=number, latest=workflow.latest_number)
    return version


def get_run(*, run_id: UUID) -> Run:
    """This will read a run with its version. Raises UnknownRun."""
    run = Run.objects.select_related("version").filter(id=run_id).first()
    if run is None:
        raise UnknownRun(run_id)
    return run


def get_dead_letter(*, dead_letter_id: int) -> DeadLetter:
    """This will read a dead letter. Raises UnknownDeadLetter."""
    letter = DeadLetter.objects.filter(id=dead_letter_id).first()
    if letter is None:
        raise UnknownDeadLetter(dead_letter_id)
    return letter


def ended_runs(selection: RunSelection) -> QuerySet[Run]:
    """This will select the ended runs that are meant, the oldest first."""
    given = {
        "workflow_name": selection.workflow,
        "version__number": selection.version,
        "error__kind": selection.kind,
        "error__step": selection.step,
        "id__gte": None if selection.created_after is None else _earliest_id(selection.created_after),
        "id__lt": None if selection.created_before is None else _earliest_id(selection.created_before),
        "id__in": selection.ids,
    }
    runs = Run.objects.filter(state=selection.state or RunState.FAILED, is_dry=False)
    return runs.filter(**{name: value for name, value in given.items() if value is not None}).order_by("id")


def _earliest_id(instant: datetime) -> UUID:
    """Ids are ordered by time."""
    return identity.run_id(unix_ms=max(0, int(instant.timestamp() * 1000)), random_bytes=bytes(10))


def newest_runs(*, state: str | None, workflow: str | None, limit: int, is_dry: bool | None = None) -> QuerySet[Run]:
    """This will select the newest runs, of one state, workflow or mode if that is asked for."""
    wanted = {"state": state, "workflow_name": workflow, "is_dry": is_dry}
    runs = Run.objects.filter(**{name: value for name, value in wanted.items() if value is not None})
    return runs.select_related("version").order_by("-id")[:limit]


def newest_dead_letters(*, state: str | None, workflow: str | None, limit: int) -> QuerySet[DeadLetter]:
    """This will select the newest dead letters, of one state or workflow if that is asked for."""
    wanted = {"state": state, "workflow_name": workflow}
    letters = DeadLetter.objects.filter(**{name: value for name, value in wanted.items() if value is not None})
    return letters.order_by("-id")[:limit]


@dataclass(frozen=True, slots=True)
class Tally:
    """How far runs that belong together are: runs by state, and steps that have ended."""

    runs: Mapping[str, int]
    steps: int


def tally(*, correlation_id: str) -> Tally:
    """This will count the runs of one correlation id and their ended steps."""
    runs = Run.objects.filter(correlation_id=correlation_id)
    by_state = runs.order_by("state").values_list("state").annotate(number=Count("id"))
    steps = Step.objects.filter(run__correlation_id=correlation_id).count()
    return Tally(runs=dict(by_state), steps=steps)


def running_of(*, workflow: str) -> Sequence[UUID]:
    """This will give the runs of a workflow that have not ended, the newest first."""
    runs = Run.objects.filter(workflow_name=workflow, state=RunState.RUNNING).order_by("-id")
    return list(runs.values_list("id", flat=True))


def states_of(*, run_ids: Collection[UUID]) -> Mapping[UUID, str]:
    """This will give the states of runs; one that does not exist is left out."""
    if not run_ids:
        return {}
    return dict(Run.objects.filter(id__in=run_ids).values_list("id", "state"))


def failed_of(*, run_ids: Sequence[UUID]) -> Sequence[UUID]:
    """This will say which of these runs have ended without success."""
    ended = Run.objects.filter(id__in=run_ids, state__in=(RunState.FAILED, RunState.CANCELLED)).order_by("id")
    return list(ended.values_list("id", flat=True))


def traced(traces: Collection[str]) -> Mapping[str, UUID]:
    """This will give the run that each text names: its id, or the correlation id of the newest such run."""
    ids: dict[UUID, str] = {}
    for trace in traces:
        with contextlib.suppress(ValueError):
            ids[UUID(trace)] = trace
    by_id = {ids[run]: run for run in Run.objects.filter(id__in=ids).order_by("id").values_list("id", flat=True)}
    found = dict(by_id)
    for trace in set(traces) - by_id.keys():  # one by one: a correlation id may have a million runs
        run = Run.objects.filter(correlation_id=trace).order_by("-id").values_list("id", flat=True).first()
        if run is not None:
            found[trace] = run
    return found
