"""What a run looks like from outside: what it waits for and where each step stands; it changes nothing.

A step that has not ended is, in one word: running, ready (waits for a worker), retrying, waiting (for its items),
pending (for its needs), or not_reached when its run has ended without it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import orjson
from django.db.models import Count

from workflows import capacity, heartbeats, human_queries, pause_store, pauses, places, plans
from workflows.core.allowances import BEATING, Fate, Latest, fate
from workflows.core.asking import ASKING
from workflows.core.definition import JsonValue, StepDefinition
from workflows.core.outcome import NEVER
from workflows.core.pausing import PauseRule
from workflows.core.plan import Plan
from workflows.core.standing import OBJECT_KINDS, Standing, open_standing
from workflows.core.states import ActivationState, ItemState, Phase, RunState, WaitReason
from workflows.models import Activation, Heartbeat, HumanRequest, Item, Run, Step
from workflows.places import Place

_AHEAD_CAP = 1_000
_ENDED_ITEMS = frozenset({ItemState.SUCCEEDED, ItemState.FAILED, ItemState.CANCELLED})
_Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why a run is not further on at one place.

    `object_kind` and `object_name` name what it waits for: a lane whose workers are busy, the worker that has
    it, the next attempt, the time it was to start at, other items, or the key of a rule. After `due_at` the engine
    acts by itself (None: it never does). `place` says more about a run that has not been let in yet, `line` about a
    step in the line of a limit, `pause` about what somebody has paused, `fate` about when the step fails by itself,
    `requests` are what people have to answer.
    """

    step: str
    reason: WaitReason
    object_kind: str
    object_name: str
    is_running: bool
    has_begun: bool
    since: datetime
    due_at: datetime | None
    attempt: int
    dispatches: int = 0
    place: Place | None = None
    line: capacity.Place | None = None
    pause: PauseRule | None = None
    requests: Sequence[HumanRequest] = ()
    fate: Fate | None = None
    beat: Heartbeat | None = None

    @property
    def progress(self) -> JsonValue:
        """This will give what the step said last by its heartbeat."""
        return None if self.beat is None else self.beat.progress

    @property
    def beaten_at(self) -> datetime | None:
        """This will give when the step gave its last sign of life."""
        return None if self.beat is None else self.beat.beaten_at

    @property
    def fails_at(self) -> datetime | None:
        """This will give when the step fails by itself."""
        return None if self.fate is None else self.fate.at


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Where a step stands; `items` counts the items of a `for_each` by state, `grown_by` names who returned it."""

    step: str
    uses: str
    needs: Sequence[str]
    lane: str
    segment: int
    state: Standing
    attempts: int
    output: JsonValue
    error: JsonValue
    started_at: datetime | None
    ended_at: datetime | None
    items: Mapping[str, int] = field(default_factory=dict)
    grown_by: str = ""


def waits_of(run: Run) -> Sequence[Wait]:
    """This will say what a run waits for, in the order of its plan; nothing when it has ended."""
    activations = list(Activation.objects.filter(run_id=run.id).order_by("segment", "slot"))
    steps = {activation.id: plans.step_of(activation) for activation in activations}
    has_items = any(step.for_each is not None for step in steps.values())
    counts = _item_counts(run.id) if has_items else {}
    place = places.find_place(activations)
    lines = capacity.places(activations)
    rules = pause_store.in_force() if activations else ()
    asked = human_queries.asked_by_step(run.id) if any(step.uses in ASKING for step in steps.values()) else {}
    beats = beats_at(activations)
    return [
        _paused(
            replace(
                _asked(
                    _wait(
                        activation, step=steps[activation.id], counts=counts, place=place, line=lines.get(activation.id)
                    ),
                    by=asked,
                ),
                beat=beats.get((activation.segment, activation.position)),
            ),
            rule=pauses.find_for(
                activation,
                workflow=run.workflow_name,
                created_at=run.created_at,
                step=steps[activation.id],
                rules=rules,
            ),
        )
        for activation in activations
    ]


def _asked(wait: Wait, *, by: Mapping[str, Sequence[HumanRequest]]) -> Wait:
    return replace(wait, requests=by[wait.step]) if wait.step in by else wait


def beats_at(activations: Sequence[Activation]) -> Mapping[tuple[int, int], Heartbeat]:
    """This will give the latest sign of life of the steps at hand, by their place; only functions give any."""
    steps = {(one.segment, one.position): plans.step_of(one) for one in activations}
    if not any(step.uses == BEATING for step in steps.values()):
        return {}
    found = heartbeats.beats_of(activations[0].run_id)
    return {place: found[step.id][0] for place, step in steps.items() if step.id in found}


def beat_words(beat: Heartbeat) -> str:
    """This will say what a step has said of itself."""
    text = f"last sign of life {beat.beaten_at:%H:%M:%S}"
    return text if beat.progress is None else f"{text}: {orjson.dumps(beat.progress).decode()[:200]}"


def known_until(due_at: datetime | None) -> datetime | None:
    """This will give when a wait ends by itself; None where only something else ends it."""
    return None if due_at is None or due_at >= NEVER else due_at


def steps_of(run: Run) -> Sequence[StepReport]:
    """This will tell where every step of a run stands, in the order of its plan."""
    plan = plans.program_of(run.program_id).plan
    ended = {row.step: row for row in Step.objects.filter(run_id=run.id)}
    waits: dict[str, list[Wait]] = defaultdict(list)
    for wait in waits_of(run):
        waits[wait.step].append(wait)
    has_items = any(segment.is_map for segment in plan.segments)
    counts = _item_counts(run.id) if has_items else {}
    return [
        _ended(row, plan=plan, counts=counts)
        if (row := ended.get(step)) is not None
        else _open(step, run=run, plan=plan, waits=waits[step], counts=counts)
        for step in shown_steps(plan, begun=ended.keys() | waits.keys())
    ]


def shown_steps(plan: Plan, *, begun: Set[str]) -> Sequence[str]:
    """This will give the steps of a run in the order of its plan: an undo only where it came to that."""
    return [step for step in plan.graph.order if plan.graph.steps[step].phase is not Phase.UNDO or step in begun]


def _ended(row: Step, *, plan: Plan, counts: _Counts) -> StepReport:
    segment = plan.segments[plan.place_of[row.step][0]]
    return StepReport(
        step=row.step,
        uses=plan.graph.steps[row.step].uses,
        needs=plan.graph.needs[row.step],
        lane=segment.lane,
        segment=segment.index,
        state=Standing(row.state),
        attempts=row.attempts,
        output=row.output,
        error=row.error,
        started_at=row.started_at,
        ended_at=row.ended_at,
        items=counts.get(row.step, {}),
        grown_by=plan.grown_by.get(row.step, ""),
    )


def _open(step: str, *, run: Run, plan: Plan, waits: Sequence[Wait], counts: _Counts) -> StepReport:
    segment = plan.segments[plan.place_of[step][0]]
    return StepReport(
        step=step,
        uses=plan.graph.steps[step].uses,
        needs=plan.graph.needs[step],
        lane=segment.lane,
        segment=segment.index,
        state=open_standing(reasons=[wait.reason for wait in waits], is_run_open=run.state == RunState.RUNNING),
        attempts=max((wait.attempt - (not wait.is_running) for wait in waits), default=0),
        output=None,
        error=None,
        started_at=min((wait.since for wait in waits if wait.has_begun), default=None),
        ended_at=None,
        items=counts.get(step, {}),
        grown_by=plan.grown_by.get(step, ""),
    )


def _wait(
    activation: Activation, *, step: StepDefinition, counts: _Counts, place: Place | None, line: capacity.Place | None
) -> Wait:
    reason = WaitReason(activation.wait_reason)
    return Wait(
        step=step.id,
        reason=reason,
        object_kind=OBJECT_KINDS[reason],
        object_name=_object(activation, reason=reason, step=step, items=counts.get(step.id, {})),
        is_running=activation.state == ActivationState.LEASED,
        has_begun=activation.state == ActivationState.LEASED or activation.begun_at is not None,
        since=activation.begun_at or activation.step_started_at or activation.created_at,
        due_at=known_until(activation.due_at) if place is None else None,
        attempt=activation.attempt,
        dispatches=activation.dispatches,
        place=place if reason.is_gate else None,
        line=line,
        fate=fate_of(activation),
    )


def fate_of(activation: Activation) -> Fate | None:
    """This will say when the step of an activation fails by itself, if it does."""
    has_begun = activation.state == ActivationState.LEASED or activation.attempt > 1 or activation.begun_at is not None
    return fate(Latest(start_at=activation.latest_start_at, end_at=activation.latest_end_at), has_begun=has_begun)


def _paused(wait: Wait, *, rule: PauseRule | None) -> Wait:
    """What no worker may take because of a pause waits for that pause, whether it was set aside yet or not."""
    if rule is None:
        return wait
    reason = WaitReason.PAUSED
    return replace(
        wait, reason=reason, object_kind=OBJECT_KINDS[reason], object_name=rule.key, due_at=None, pause=rule, fate=None
    )


def _object(activation: Activation, *, reason: WaitReason, step: StepDefinition, items: Mapping[str, int]) -> str:
    match reason:
        case WaitReason.WORKER:
            return activation.lane
        case WaitReason.RUNNING:
            return activation.owner
        case WaitReason.RETRY:
            return f"{activation.attempt} of {step.retry.attempts}"
        case WaitReason.DELAYED | WaitReason.DELAYED_ENTRY:
            return activation.due_at.isoformat()
        case WaitReason.ITEMS:
            done = sum(count for state, count in items.items() if state in _ENDED_ITEMS)
            return f"{done} of {sum(items.values())} ended"
        case _:
            return activation.wait_object


def _item_counts(run_id: UUID) -> _Counts:
    items = Item.objects.filter(run_id=run_id).order_by()
    counted = items.values_list("step", "state").annotate(count=Count("index"))
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for step, state, count in counted:
        counts[step][state] = count
    return counts


def ahead_of(run: Run, *, wait: Wait) -> str:
    """This will say in words what is ahead of a segment in its lane: of its own key and priority, which is cheap."""
    lane = Activation.objects.filter(
        lane=wait.object_name, fairness_key=run.fairness_key, priority=run.priority, due_at__lt=wait.due_at
    )
    if wait.dispatches:
        return "its wake-up was sent"
    number = lane.order_by("due_at")[: _AHEAD_CAP + 1].count()
    shown = f"{_AHEAD_CAP:,} or more" if number > _AHEAD_CAP else f"{number:,}"
    whose = f"priority {run.priority}" + (f", fairness key {run.fairness_key!r}" if run.fairness_key else "")
    return f"{shown} of its kind before it ({whose})"
