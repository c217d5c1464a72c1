"""Turns fires that were written down into runs: judged, started and audited in one transaction.

A fire that is still due is the outbox of its run: whoever comes next after a crash finds it. The run's start key is
made of schedule and due time, so a run that exists already is found and never started twice.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog
from django.db import DatabaseError, transaction

from audit import operations as audit
from audit.events import Event, EventKind
from automation import schedule_store
from automation.firing.inputs import input_of
from automation.firing.periodic_runs import note_run
from automation.firing.surroundings import Known, know
from automation.models import Fire, Schedule
from automation.schedule.decide import Act, Candidate, Cause, FireState, Reason, Verdict, judge
from automation.schedule.rule import Busy
from automation.schedule_queries import rule_of
from automation.schedule_store import EndedFire
from automation.scheduling.trail import actor_of, event
from workflows import operations
from workflows.core.problems import DefinitionInvalid
from workflows.errors import RunEnded, WorkflowError
from workflows.expressions import ExpressionFailed

log = structlog.get_logger(__name__)
BATCH = 50
_REFUSALS = (WorkflowError, DefinitionInvalid, ExpressionFailed)
_DETAIL = 500


@dataclass(slots=True)
class _Case:
    """A fire, its schedule, and what has become of it so far."""

    fire: Fire
    schedule: Schedule
    state: FireState = FireState.STARTED
    reason: Reason = Reason.NONE
    detail: str = ""
    run_id: UUID | None = None

    def refuse(self, error: Exception) -> None:
        """This will have it start nothing, for a reason that stays readable."""
        self.state, self.reason, self.detail = FireState.REFUSED, Reason.REFUSED, str(error)[:_DETAIL]

    @property
    def run_state(self) -> str:
        """This will be the state of its run, as far as it is known here."""
        return "running" if self.run_id is not None else ""


def settle(*, now: datetime, most: int = BATCH) -> int:
    """This will settle fires that are due, the longest due first; gives how many.

    What somebody else has locked is left to the next round.
    """
    ids = list(Fire.objects.filter(state=FireState.DUE).order_by("fire_at", "id").values_list("id", flat=True)[:most])
    if not ids:
        return 0
    try:
        return _settle(ids, now=now)
    except DatabaseError:
        raise
    except Exception:  # one of them cannot be settled, whatever is wrong: the others must go on
        log.exception("fires_not_settled", fires=len(ids))
        return sum(_settle_alone(fire_id, now=now) for fire_id in ids)


def _settle_alone(fire_id: int, *, now: datetime) -> int:
    try:
        return _settle([fire_id], now=now)
    except DatabaseError:
        raise
    except Exception as error:  # it is refused, so that it is seen, and does not come again and again
        log.exception("fire_refused", fire=fire_id)
        with transaction.atomic():
            for case in _locked([fire_id]):
                case.refuse(error)
                _store([case], now=now)
        return 1


def _settle(ids: Sequence[int], *, now: datetime) -> int:
    with transaction.atomic():
        cases = _locked(ids)
        known = know([case.schedule for case in cases])
        to_start: list[_Case] = []
        for case in cases:
            _judge(case, known=known, now=now)
            if case.state is FireState.STARTED:
                to_start.append(case)
        _start(to_start, now=now)
        _store(cases, now=now)
    return len(cases)


def _locked(ids: Sequence[int]) -> list[_Case]:
    """The schedules are locked first and in one order: two schedulers judge the fires of one after each other."""
    fires = Fire.objects.filter(id__in=ids)
    wanted = set(fires.values_list("schedule_id", flat=True))
    rows = Schedule.objects.filter(id__in=wanted).order_by("id").select_for_update(no_key=True, skip_locked=True)
    schedules = {schedule.pk: schedule for schedule in rows}
    locked = fires.filter(state=FireState.DUE).order_by("due_at", "id").select_for_update(skip_locked=True)
    cases: list[_Case] = []
    judged: set[int] = set()
    for fire in locked:
        schedule = schedules.get(fire.schedule_id)
        if schedule is None:
            continue
        if fire.cause != Cause.BACKFILL and rule_of(schedule).busy is not Busy.ALLOW:
            if schedule.pk in judged:
                continue  # the next round judges it, when what came of the one before it is known
            judged.add(schedule.pk)
        cases.append(_Case(fire, schedule))
    return cases


def _judge(case: _Case, *, known: Known, now: datetime) -> None:
    fire, schedule = case.fire, case.schedule
    candidate = Candidate(
        due_at=fire.due_at,
        fire_at=fire.fire_at,
        recorded_at=fire.recorded_at,
        cause=Cause(fire.cause),
        is_released=fire.reason == Reason.OVERLAP,
    )
    around = known.around(schedule)
    verdict = judge(rule_of(schedule), fire=candidate, around=around, now=now)
    if verdict.act is Act.CANCEL_AND_START:
        _cancel(known.running[schedule.pk], schedule=schedule, due_at=fire.due_at, now=now)
    _apply(case, verdict=verdict)


def _apply(case: _Case, *, verdict: Verdict) -> None:
    case.reason, case.detail = verdict.reason, verdict.about
    match verdict.act:
        case Act.SKIP:
            case.state = FireState.SKIPPED
        case Act.BUFFER:
            case.state = FireState.BUFFERED
        case _:
            case.state = FireState.STARTED if case.schedule.workflow else FireState.SENDING


def _cancel(run_ids: Sequence[UUID], *, schedule: Schedule, due_at: datetime, now: datetime) -> None:
    reason = f"the next run of the schedule {schedule.name} is due at {due_at.isoformat()}"
    for run_id in run_ids:
        try:
            operations.cancel_run(run_id=run_id, actor=actor_of(schedule.name), now=now, reason=reason)
        except RunEnded:
            continue


def _start(cases: Sequence[_Case], *, now: datetime) -> None:
    """Runs of one workflow start together; when that fails, each by itself, so that every one gets its own answer."""
    starts: dict[int, operations.Start] = {}
    by_workflow: dict[str, list[_Case]] = defaultdict(list)
    for case in cases:
        try:
            starts[case.fire.pk] = _wanted(case)
        except _REFUSALS as error:
            case.refuse(error)
            continue
        by_workflow[case.schedule.workflow].append(case)
    for group in by_workflow.values():
        try:
            _begin(group, starts=starts, now=now)
        except _REFUSALS:
            for case in group:
                _begin_alone(case, starts=starts, now=now)


def _begin_alone(case: _Case, *, starts: Mapping[int, operations.Start], now: datetime) -> None:
    try:
        _begin([case], starts=starts, now=now)
    except _REFUSALS as error:
        case.refuse(error)


def _begin(cases: Sequence[_Case], *, starts: Mapping[int, operations.Start], now: datetime) -> None:
    wanted = [starts[case.fire.pk] for case in cases]
    first = cases[0].schedule
    with transaction.atomic():
        begun = operations.start_runs(workflow=first.workflow, starts=wanted, actor=actor_of(first.name), now=now)
    for case, started in zip(cases, begun, strict=True):
        case.run_id = started.run_id


def _wanted(case: _Case) -> operations.Start:
    fire, schedule = case.fire, case.schedule
    due = fire.due_at.astimezone(UTC).isoformat(timespec="microseconds")
    again = f":{fire.round}" if fire.round else ""
    return operations.Start(
        input=input_of(schedule, fire=fire),
        key=f"schedule:{schedule.pk}:{due}{again}",
        correlation_id=f"schedule:{schedule.pk}:{due}",
        priority=rule_of(schedule).priority,
        actor=actor_of(schedule.name),
    )


def _store(cases: Sequence[_Case], *, now: datetime) -> None:
    rows: list[EndedFire] = [
        {
            "id": case.fire.pk,
            "state": case.state,
            "reason": case.reason,
            "detail": case.detail,
            "run_id": None if case.run_id is None else str(case.run_id),
            "run_state": case.run_state,
        }
        for case in cases
    ]
    schedule_store.settle_fires(rows)
    for case in cases:
        if case.run_id is not None and case.schedule.periodic_task_id is not None:
            note_run(case.schedule.periodic_task_id, now=now)
    audit.record(*(_event(case, now=now) for case in cases))


def _event(case: _Case, *, now: datetime) -> Event:
    return event(
        EventKind.SCHEDULE_FIRED,
        name=case.schedule.name,
        actor=actor_of(case.schedule.name),
        now=now,
        due_at=case.fire.due_at.isoformat(),
        cause=case.fire.cause,
        state=str(case.state),
        reason=str(case.reason),
        run=None if case.run_id is None else str(case.run_id),
    )
