"""Reads that tell the story of one run: its steps, what it waits for and why, its attempts and items.

Everything is bounded, so that a run with many items is as quick to look at as any other; nothing is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db.models import Count, F, QuerySet, TextField
from django.db.models.functions import Cast, Left

from workflows import capacity, inspection, pause_store, pauses, places, plans
from workflows.core.allowances import Fate
from workflows.core.building import restore_definition
from workflows.core.definition import JsonObject, StepDefinition
from workflows.core.pausing import PauseRule
from workflows.core.plan import Plan, restore_plan
from workflows.core.standing import open_standing
from workflows.core.states import ActivationState, Phase, RunState, WaitReason
from workflows.models import Activation, Attempt, DeadLetter, Fanout, Heartbeat, Item, Run, Step
from workflows.places import Place

TEXT_CHARS = 20_000
ITEM_TEXT_CHARS = 2_000
ITEMS = 100
ATTEMPTS = 300
_FAR = 1_000


@dataclass(frozen=True, slots=True)
class Text:
    """JSON as the database writes it; `is_cut`: it was too long, the rest is missing."""

    text: str | None
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """A version with its plan."""

    number: int
    workflow_id: int
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """One thing a run waits for: a step, why, and until when if that is known."""

    step: str
    slot: int
    reason: WaitReason
    object: str
    is_running: bool
    lane: str
    owner: str
    attempt: int
    due_at: datetime
    since: datetime
    dispatches: int
    place: Place | None = None
    line: capacity.Place | None = None
    pause: PauseRule | None = None
    fate: Fate | None = None
    beat: Heartbeat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """The items of a `for_each`: how many in which state, and the earliest ones (of one state, if asked)."""

    total: int
    started_at: datetime
    counts: Mapping[str, int]
    rows: Sequence[Item]

    @property
    def is_partial(self) -> bool:
        """This will tell whether there may be more items than are listed."""
        return len(self.rows) == ITEMS

    @property
    def ended(self) -> int:
        """This will count the items that have ended."""
        return sum(number for state, number in self.counts.items() if state in ("succeeded", "failed", "cancelled"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStory:
    """One step of the run.

    `state` is how it ended, or else one of: running, ready, retrying, waiting, pending, not_reached.
    `started_at` is the start of its first attempt (of its latest round), `latest_at` that of its latest one. `grown_by`
    is the step that has returned it while the run ran.
    """

    definition: StepDefinition
    state: str
    started_at: datetime | None
    latest_at: datetime | None
    ended_at: datetime | None
    attempts: int
    output: Text
    error: JsonObject | None
    failures: Sequence[Attempt]
    waits: Sequence[Wait]
    items: Items | None
    grown_by: str = ""

    @property
    def id(self) -> str:
        """This will give the step's id."""
        return self.definition.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A run with everything that is shown of it; `steps` stand in an order that could be theirs."""

    run: Run
    version: Published
    input: Text
    output: Text
    steps: Sequence[StepStory]
    waits: Sequence[Wait]
    item_failures: Sequence[Attempt]
    dead_letters: Sequence[DeadLetter]


def find_story(run_id: UUID, *, item_state: str = "") -> Story | None:
    """This will read one run, or None when there is none; `item_state` picks which items are listed."""
    cut = TEXT_CHARS + 1
    run = (
        Run.objects.filter(id=run_id)
        .defer("input", "output")
        .annotate(
            input_text=Left(Cast("input", TextField()), cut),
            output_text=Left(Cast("output", TextField()), cut),
        )
        .first()
    )
    if run is None:
        return None
    version = published(run.program_id)
    waits = _waits(run)
    letters = DeadLetter.objects.filter(run_id=run_id).order_by("-id")
    failed_items = Attempt.objects.filter(run_id=run_id, index__isnull=False).order_by("-id")
    return Story(
        run=run,
        version=version,
        input=_text(run, "input_text"),
        output=_text(run, "output_text"),
        steps=_steps(run, plan=version.plan, waits=waits, item_state=item_state),
        waits=waits,
        item_failures=list(failed_items[:ITEMS]),
        dead_letters=list(letters[:ITEMS]),
    )


@lru_cache(maxsize=256)
def published(version_id: int) -> Published:
    """This will read a version, without compiling its expressions; versions never change."""
    version = plans.source_of(version_id)
    definition = restore_definition(version.document)
    plan = restore_plan(definition, document=version.plan, grown=version.grown)
    return Published(version.number, version.workflow_id, plan)


def in_order(plan: Plan) -> Sequence[StepDefinition]:
    """This will give the steps as the plan has them: needs first, and otherwise as they were written."""
    if plan.grown:  # its new segments stand behind those that wait for them
        return [plan.graph.steps[step] for step in plan.graph.order]
    return [plan.graph.steps[step] for segment in plan.segments for step in segment.steps]


def attempts_of(letter: DeadLetter) -> QuerySet[Attempt]:
    """This will select the attempts behind a dead letter, those of earlier rounds too, latest first."""
    attempts = Attempt.objects.filter(run_id=letter.run_id, step=letter.step, index=letter.index)
    if letter.index is None:
        attempts = Attempt.objects.filter(run_id=letter.run_id, step=letter.step, index__isnull=True)
    return attempts.order_by("-id")


def _waits(run: Run) -> Sequence[Wait]:
    rows = list(Activation.objects.filter(run_id=run.id).order_by("segment", "slot")[:_FAR])
    place = places.find_place(rows)
    lines = capacity.places(rows)
    paused = _paused(run, rows=rows)
    beats = inspection.beats_at(rows)
    return [
        Wait(
            step=plans.step_of(row).id,
            slot=row.slot,
            reason=WaitReason.PAUSED if row.id in paused else WaitReason(row.wait_reason),
            object=paused[row.id].key if row.id in paused else row.wait_object,
            is_running=row.state == ActivationState.LEASED,
            lane=row.lane,
            owner=row.owner,
            attempt=row.attempt,
            due_at=row.due_at,
            since=row.begun_at or row.step_started_at or row.created_at,
            dispatches=row.dispatches,
            place=place,
            line=lines.get(row.id),
            pause=paused.get(row.id),
            fate=inspection.fate_of(row),
            beat=beats.get((row.segment, row.position)),
        )
        for row in rows
    ]


def _paused(run: Run, *, rows: Sequence[Activation]) -> Mapping[int, PauseRule]:
    """The pauses that keep activations waiting, by the activation's id."""
    rules = pause_store.in_force() if rows else ()
    found = {
        row.id: pauses.find_for(
            row,
            workflow=run.workflow_name,
            created_at=run.created_at,
            step=plans.step_of(row),
            rules=rules,
        )
        for row in rows
    }
    return {number: rule for number, rule in found.items() if rule is not None}


def _steps(run: Run, *, plan: Plan, waits: Sequence[Wait], item_state: str) -> Sequence[StepStory]:
    ended = {
        row.step: row
        for row in Step.objects.filter(run_id=run.id)
        .defer("output")
        .annotate(output_text=Left(Cast("output", TextField()), TEXT_CHARS + 1))
    }
    failures: dict[str, list[Attempt]] = {}
    for attempt in Attempt.objects.filter(run_id=run.id, index__isnull=True).order_by("id")[:ATTEMPTS]:
        failures.setdefault(attempt.step, []).append(attempt)
    items = _items(run, item_state=item_state)
    begun = ended.keys() | {wait.step for wait in waits}
    return [
        replace(
            _step(
                run,
                definition=definition,
                row=ended.get(definition.id),
                failures=failures.get(definition.id, []),
                waits=[wait for wait in waits if wait.step == definition.id],
                items=items.get(definition.id),
            ),
            grown_by=plan.grown_by.get(definition.id, ""),
        )
        for definition in in_order(plan)
        if definition.phase is not Phase.UNDO or definition.id in begun
    ]


def _step(
    run: Run,
    *,
    definition: StepDefinition,
    row: Step | None,
    failures: Sequence[Attempt],
    waits: Sequence[Wait],
    items: Items | None,
) -> StepStory:
    if row is not None:
        return StepStory(
            definition=definition,
            state=row.state,
            started_at=_first_start(row.started_at, failures=failures, items=items),
            latest_at=row.started_at,
            ended_at=row.ended_at,
            attempts=row.attempts,
            output=_text(row, "output_text"),
            error=row.error,
            failures=failures,
            waits=waits,
            items=items,
        )
    latest = min((wait.since for wait in waits), default=None)
    return StepStory(
        definition=definition,
        state=open_standing(reasons=[wait.reason for wait in waits], is_run_open=run.state == RunState.RUNNING),
        started_at=_first_start(latest, failures=failures, items=items),
        latest_at=latest,
        ended_at=None,
        attempts=max((wait.attempt for wait in waits if wait.is_running), default=len(failures)),
        output=Text(None),
        error=None,
        failures=failures,
        waits=waits,
        items=items,
    )


def _first_start(latest: datetime | None, *, failures: Sequence[Attempt], items: Items | None) -> datetime | None:
    round_ = max((attempt.round for attempt in failures), default=0)
    starts = [attempt.started_at for attempt in failures if attempt.round == round_]
    starts += [latest, None if items is None else items.started_at]
    return min((start for start in starts if start is not None), default=None)


def _items(run: Run, *, item_state: str) -> Mapping[str, Items]:
    found: dict[str, Items] = {}
    for fanout in Fanout.objects.filter(run_id=run.id).order_by("step"):
        items = Item.objects.filter(run_id=run.id, step=fanout.step)
        counts = items.order_by().values_list("state").annotate(number=Count("index"))
        rows = items.filter(state=item_state) if item_state else items
        shown = (
            rows.defer("value", "output")
            .annotate(
                value_text=Left(Cast(F("value"), TextField()), ITEM_TEXT_CHARS + 1),
                output_text=Left(Cast(F("output"), TextField()), ITEM_TEXT_CHARS + 1),
            )
            .order_by("index")[:ITEMS]
        )
        found[fanout.step] = Items(
            total=fanout.total, started_at=fanout.started_at, counts=dict(counts), rows=list(shown)
        )
    return found


def _text(row: Run | Step, name: str) -> Text:
    text: str | None = getattr(row, name)
    if text is None:
        return Text(None)
    return Text(text[:TEXT_CHARS], is_cut=len(text) > TEXT_CHARS)
