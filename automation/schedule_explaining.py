"""Why a schedule starts nothing now: what its next due time, its buffer and its backfills wait for; it only reads."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from automation import schedule_queries
from automation.models import Backfill, Fire, Schedule
from automation.schedule.decide import FireState
from automation.schedule.rule import TIMINGS, Busy
from automation.schedule.waiting import WORDS, Hold, ScheduleWait, meanwhile, next_hold, told
from workflows import explaining
from workflows import queries as workflows

_SHOWN = 10
_SCHEDULER = "scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleReason:
    """Why a schedule does not start anything now.

    `due_at` is the due time that is held up, `until` when the engine acts by itself. `position` counts from 1 in the
    buffer; `ahead` says what the runs in the way wait for themselves.
    """

    reason: ScheduleWait
    object_kind: str
    object_name: str
    due_at: datetime | None
    since: datetime
    until: datetime | None
    says: str
    ends_when: str
    position: int | None = None
    ahead: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Became:
    """What has become of a due time."""

    due_at: datetime
    state: str
    reason: str
    says: str
    run_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleExplanation:
    """What a schedule waits for; there is always a reason, and `summary` says the first in one line."""

    id: int
    schedule: str
    workflow: str
    state: str
    summary: str
    reasons: Sequence[ScheduleReason]
    latest: Became | None


def explain(schedule: Schedule, *, now: datetime) -> ScheduleExplanation:
    """This will say why a schedule starts nothing now: what is due and held up first, then what comes next."""
    under_way = schedule_queries.runs_under_way([schedule.pk]).get(schedule.pk, ())
    reasons = [
        *_written_down(schedule),
        *_buffered(schedule, under_way=under_way),
        *_backfilled(schedule),
        _next(schedule, under_way=under_way, now=now),
    ]
    return ScheduleExplanation(
        id=schedule.pk,
        schedule=schedule.name,
        workflow=schedule.workflow,
        state=schedule.state,
        summary=reasons[0].says + (f", and {len(reasons) - 1} more" if len(reasons) > 1 else ""),
        reasons=reasons,
        latest=_latest(schedule),
    )


def _written_down(schedule: Schedule) -> Iterator[ScheduleReason]:
    """The earliest fire that a scheduler has to take up."""
    fires = Fire.objects.filter(schedule_id=schedule.pk, state__in=(FireState.DUE, FireState.SENDING))
    for fire in fires.order_by("fire_at", "id")[:1]:
        yield _reason(Hold(reason=ScheduleWait.SCHEDULER, name=_SCHEDULER, due_at=fire.due_at), since=fire.recorded_at)


def _buffered(schedule: Schedule, *, under_way: Sequence[UUID]) -> Iterator[ScheduleReason]:
    """Each due time in the buffer: it waits for the runs before it, then for the end of a pause, or a scheduler."""
    rows = Fire.objects.filter(schedule_id=schedule.pk, state=FireState.BUFFERED).order_by("due_at")
    ahead = [f"run {run_id}: {_summary(run_id)}" for run_id in under_way[:_SHOWN]]
    for position, fire in enumerate(rows[:_SHOWN], start=1):
        since, because = fire.settled_at or fire.recorded_at, ""
        hold = Hold(reason=ScheduleWait.SCHEDULER, name=_SCHEDULER, due_at=fire.due_at)
        if under_way:
            hold = Hold(reason=ScheduleWait.OVERLAP, name=str(under_way[0]), due_at=fire.due_at)
        elif schedule.paused_at is not None:
            hold = Hold(reason=ScheduleWait.PAUSED, name=schedule.paused_by, due_at=fire.due_at)
            since, because = schedule.paused_at, schedule.paused_reason
        yield _reason(hold, since=since, because=because, position=position, ahead=ahead)


def _backfilled(schedule: Schedule) -> Iterator[ScheduleReason]:
    for backfill in schedule_queries.backfills_of(schedule).filter(state=Backfill.RUNNING)[:_SHOWN]:
        due_at = None
        if backfill.position < len(backfill.dues):
            due_at = datetime.fromisoformat(backfill.dues[backfill.position])
        hold = Hold(reason=ScheduleWait.BACKFILL, name=str(backfill.pk), due_at=due_at)
        done = f"it has begun {backfill.position} of {len(backfill.dues)} due times, {backfill.parallel} at a time"
        yield _reason(hold, since=backfill.created_at, ahead=[done])


def _next(schedule: Schedule, *, under_way: Sequence[UUID], now: datetime) -> ScheduleReason:
    since = schedule.last_due_at or schedule.created_at
    if schedule.ended_at is not None:
        return _reason(Hold(reason=ScheduleWait.ENDED, name=schedule.name), since=schedule.ended_at)
    if schedule.paused_at is not None:
        hold = Hold(reason=ScheduleWait.PAUSED, name=schedule.paused_by)
        return _reason(hold, since=schedule.paused_at, because=schedule.paused_reason)
    if not schedule.is_planned:
        return _reason(Hold(reason=ScheduleWait.SCHEDULER, name=_SCHEDULER), since=since)
    if schedule.next_due_at is None:
        return _reason(Hold(reason=ScheduleWait.EXHAUSTED, name=_timing(schedule)), since=since)
    rule = schedule_queries.rule_of(schedule)
    hold = next_hold(
        rule,
        due_at=schedule.next_due_at,
        seed=schedule_queries.seed_of(schedule),
        days_off=list(schedule_queries.days_off(rule.calendars).values()),
        now=now,
    )
    return _reason(hold, since=since, ahead=list(_in_the_way(under_way, busy=rule.busy)))


def _in_the_way(under_way: Sequence[UUID], *, busy: Busy) -> Iterator[str]:
    for run_id in under_way[:_SHOWN] if meanwhile(busy) else ():
        yield f"run {run_id}: {_summary(run_id)}; if it is still under way then, {meanwhile(busy)}"


def _reason(
    hold: Hold, *, since: datetime, because: str = "", position: int | None = None, ahead: Sequence[str] = ()
) -> ScheduleReason:
    return ScheduleReason(
        reason=hold.reason,
        object_kind=WORDS[hold.reason].object_kind,
        object_name=hold.name,
        due_at=hold.due_at,
        since=since,
        until=hold.until,
        says=f"{hold.says}: {because}" if because else hold.says,
        ends_when=hold.ends_when,
        position=position,
        ahead=ahead,
    )


def _latest(schedule: Schedule) -> Became | None:
    fire = schedule_queries.fires_of(schedule).first()
    if fire is None:
        return None
    says = told(state=fire.state, reason=fire.reason, about=fire.detail)
    if fire.run_id is not None:
        says = f"started run {fire.run_id}: {_summary(fire.run_id)}"
    return Became(due_at=fire.due_at, state=fire.state, reason=fire.reason, says=says, run_id=fire.run_id)


def _summary(run_id: UUID) -> str:
    found: Mapping[UUID, str] = workflows.states_of(run_ids=[run_id])
    if run_id not in found:
        return "it is not kept any more"
    return explaining.explain(workflows.get_run(run_id=run_id)).summary


def _timing(schedule: Schedule) -> str:
    kind = next((name for name in TIMINGS if name in schedule.rule), "")
    return f"{kind} {schedule.rule.get(kind, '')}".strip()
