"""A worker's place in a run: which step of which segment, with the values its expressions need.

It lives in memory only; everything that must survive is in the activation it stands for.
"""

from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Unpack, cast

import orjson

from audit.events import Actor, ActorKind, EncodedEvent, Event, EventKind, encode
from workflows import plans, queries
from workflows.core.allowances import ANY_TIME, Latest
from workflows.core.context import StepContext, Ties
from workflows.core.definition import JsonObject, JsonValue, StepDefinition
from workflows.core.identity import idempotency_key
from workflows.core.outcome import Parked, Postponed
from workflows.core.plan import Segment
from workflows.core.standing import Standing
from workflows.core.states import Phase, StepState
from workflows.park_store import ParkRow
from workflows.plans import Program, StepProgram
from workflows.store import Claim, HoldRow, PostponeRow

ENGINE = Actor(kind=ActorKind.ENGINE)
_NOT_REACHED: dict[str, JsonValue] = {"state": Standing.NOT_REACHED.value, "output": None}


@dataclass(slots=True)
class Cursor:
    """Where a worker is in a segment it has leased.

    `context` is what expressions see; `carries` are the segments that the Celery canvas wakes after this one;
    `pause_epoch` says which pauses were in force when its step was given to it.
    `has_stopped`: its `for_each` begins no other item. `latest` says until when its step must have begun and ended.
    """

    claim: Claim
    program: Program
    position: int
    attempt: int
    first_attempt_at: datetime
    previous_delay_s: float | None
    context: dict[str, JsonValue]
    step_started_at: datetime
    owner: str
    carries: frozenset[int] = frozenset()
    has_failed: bool = False
    has_slots: bool = False
    pause_epoch: int = 0
    begun_at: datetime | None = None
    has_stopped: bool = False
    latest: Latest = ANY_TIME
    results: dict[str, dict[str, JsonValue]] = field(default_factory=dict)

    @property
    def segment(self) -> Segment:
        """This will give the segment it is in."""
        return self.program.plan.segments[self.claim.segment]

    @property
    def current(self) -> StepProgram:
        """This will give the step it stands at."""
        return self.program.program_at(segment=self.claim.segment, position=self.position)

    @property
    def step(self) -> StepDefinition:
        """This will give the definition of the step it stands at."""
        return self.current.step

    @property
    def hold(self) -> HoldRow:
        """This will give its lease."""
        return {"id": self.claim.id, "epoch": self.claim.epoch}

    @property
    def phase(self) -> Phase:
        """This will say to which part of its run it belongs."""
        return self.program.plan.phase_of(self.claim.segment)

    @property
    def takes_limits(self) -> bool:
        """This will tell whether its step needs slots: a dry run uses up nothing."""
        return bool(self.segment.limits) and not self.claim.is_dry

    @property
    def may_grow(self) -> bool:
        """This will tell whether its step may return further steps."""
        return self.phase is Phase.MAIN and not self.segment.is_map and self.step.repeat_until is None

    @property
    def run_error(self) -> JsonObject | None:
        """This will give the error with which the run is ending."""
        return None if self.claim.error is None else cast(JsonObject, orjson.loads(self.claim.error))

    def follow_growth(self, version_id: int) -> None:
        """This will go by the plan that the run has grown; the segments there were are the same in it."""
        if self.program.version_id != version_id:
            self.program = plans.program_of(version_id)
            self.claim = replace(self.claim, version_id=version_id)

    def learn_ending(self, *, ending: str, is_undoing: bool, error: JsonObject | None) -> None:
        """This will note that the run is ending, and as what."""
        text = None if error is None else orjson.dumps(error).decode()
        self.claim = replace(self.claim, ending=ending, is_undoing=is_undoing, error=text)

    @property
    def is_whole_run(self) -> bool:
        """This will tell whether this worker has seen the whole run, without failure, and nothing hangs on its end."""
        program = self.program
        is_bound = program.takes_slots or program.subjects or self.claim.is_awaited
        is_alone = program.plan.is_straight and not is_bound
        return is_alone and self.claim.position == 0 and not self.has_failed

    @property
    def cut_off_at(self) -> datetime | None:
        """This will give when what is under way is stopped: not at a deadline that only has somebody told."""
        rule = self.program.plan.definition.deadline
        is_kept = self.claim.ending or rule is None or rule.ends_run
        return self.claim.deadline_at if is_kept else None

    def step_context(
        self,
        *,
        now: datetime,
        index: int | None = None,
        attempt: int | None = None,
        round_number: int | None = None,
        **ties: Unpack[Ties],
    ) -> StepContext:
        """This will say to a step who calls it, and how long it may take; `ties` are what it is connected by."""
        claim, step, cut_off_at = self.claim, self.step, self.cut_off_at
        timeout_s = step.timeout_s
        if cut_off_at is not None:
            timeout_s = min(timeout_s, (cut_off_at - now).total_seconds())
        if self.latest.end_at is not None:
            timeout_s = min(timeout_s, (self.latest.end_at - now).total_seconds())
        return StepContext(
            idempotency_key=idempotency_key(
                run=claim.run_id,
                step=step.undoes or step.id,
                index=index,
                round_number=round_number,
                is_undo=step.undoes is not None,
            ),
            attempt=self.attempt if attempt is None else attempt,
            run_id=str(claim.run_id),
            step=step.id,
            correlation_id=claim.correlation_id,
            timeout_s=max(timeout_s, 0.001),
            is_dry_run=claim.is_dry,
            **ties,
        )

    def remember(self, *, step: str, state: StepState, output: JsonValue) -> None:
        """This will make a step's result visible to the expressions behind it."""
        self.results[step] = {"state": state.value, "output": output}

    def move_to(self, position: int, *, now: datetime) -> None:
        """This will go on to another step of the segment, as its first attempt."""
        self.position = position
        self.attempt = 1
        self.first_attempt_at = self.step_started_at = now
        self.previous_delay_s = None
        self.begun_at = None

    def return_to(self, before: "Cursor") -> None:
        """This will stand where it stood before a transaction that came to nothing."""
        for one in fields(self):
            setattr(self, one.name, getattr(before, one.name))

    def postponed(self, pause: Postponed) -> PostponeRow:
        """This will put its activation aside until it asks again."""
        return {**self.hold, "reason": pause.reason.value, "object": pause.object[:300], "delay_s": pause.delay_s}

    def parked(self, stay: Parked, *, at: datetime) -> ParkRow:
        """This will put its activation aside until it is woken; only the first time is an event."""
        event = None
        if self.begun_at is None:
            event = self.event(EventKind.STEP_PARKED, at=at, step=self.step.id, waits_for=stay.reason.value)
        return {
            **self.hold,
            "reason": stay.reason.value,
            "object": stay.object[:300],
            "until": stay.due_at.isoformat(),
            "begun_at": (self.begun_at or self.step_started_at).isoformat(),
            "event": event,
        }

    def event(self, kind: EventKind, *, at: datetime, **payload: object) -> EncodedEvent:
        """This will state something that happened to the run, by the engine."""
        return encode(
            Event(
                kind=kind,
                actor=ENGINE,
                subject_type="run",
                subject_id=str(self.claim.run_id),
                correlation_id=self.claim.correlation_id,
                at=at,
                payload=payload,
            )
        )


def open_cursor(
    claim: Claim, *, program: Program, now: datetime, owner: str, carries: frozenset[int] = frozenset()
) -> Cursor:
    """This will place a cursor at what was claimed, and load the earlier results that its expressions look at."""
    wanted = program.references_from(segment=claim.segment, position=claim.position)
    results = queries.results_of(run_id=claim.run_id, steps=wanted, plan=program.plan) if wanted else {}
    if program.plan.phase_of(claim.segment) is not Phase.MAIN:
        results = {**dict.fromkeys(wanted, _NOT_REACHED), **results}
    context: dict[str, JsonValue] = {
        "input": None if claim.input is None else cast(JsonValue, orjson.loads(claim.input)),
        "steps": cast(JsonValue, results),
        "run": {
            "id": str(claim.run_id),
            "workflow": claim.workflow_name,
            "version": program.number,
            "correlation_id": claim.correlation_id,
            "started_at": claim.created_at.isoformat(),
            "ending": claim.ending,
            "error": None if claim.error is None else cast(JsonValue, orjson.loads(claim.error)),
        },
    }
    return Cursor(
        claim=claim,
        program=program,
        position=claim.position,
        attempt=claim.attempt,
        first_attempt_at=claim.first_attempt_at,
        previous_delay_s=claim.previous_delay_s,
        context=context,
        step_started_at=now,
        owner=owner,
        carries=carries,
        pause_epoch=claim.pause_epoch,
        results=results,
        begun_at=claim.begun_at,
        latest=_latest(claim, program=program),
    )


def _latest(claim: Claim, *, program: Program) -> Latest:
    """Only what has times of its own is asked for them."""
    step = program.program_at(segment=claim.segment, position=claim.position).step
    return queries.latest_of(claim.id) if step.allowance.is_scheduled else ANY_TIME
