"""Makes, changes and ends schedules, whoever says what they are: a definition, a user, a periodic task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, EventKind
from automation import wording
from automation.errors import ScheduleInvalid, ScheduleNotYours
from automation.models import Schedule
from automation.schedule.rule import TIMINGS
from automation.scheduling.documents import check_document, rule_part
from automation.scheduling.trail import event
from workflows import queries as workflows
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to

POLICIES = (
    "misfire",
    "window",
    "overlap",
    "jitter",
    "calendars",
    "exclude",
    "pause_after",
    "priority",
    "dst",
)
"""What can be said of the schedule of a periodic task."""
_WHEN = (*TIMINGS, "timezone", "start", "end", "dst")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a schedule shall be."""

    name: str
    source: str
    workflow: str
    input: JsonValue
    rule: Mapping[str, JsonValue]
    periodic_task_id: int | None = None


def declare(*, workflow: str, documents: Sequence[JsonObject], actor: Actor, now: datetime) -> None:
    """This will make the schedules of a workflow those of its definition, inside the caller's transaction.

    The same again changes nothing; what is not there any more ends.
    """
    wanted = [
        Wanted(
            name=f"{workflow}/{document.get('name', index)}",
            source=Schedule.DEFINITION,
            workflow=workflow,
            input=document.get("input"),
            rule=rule_part(document),
        )
        for index, document in enumerate(documents, start=1)
    ]
    for one in wanted:
        store(one, actor=actor, now=now)
    names = {one.name for one in wanted}
    rows = Schedule.objects.filter(workflow=workflow, source=Schedule.DEFINITION, ended_at=None)
    for schedule in rows.exclude(name__in=names).order_by("name"):
        end(schedule, actor=actor, now=now)


def save_schedule(
    *, name: str, workflow: str, document: JsonObject, actor: Actor, now: datetime
) -> tuple[Schedule, bool]:
    """This will make or change a schedule of the user's own; gives it and whether it is new.

    Raises ScheduleInvalid, UnknownWorkflow, ScheduleNotYours.
    """
    if not wording.is_name(name, longest=100):
        hint = "write lower-case words joined by hyphens, such as nightly-report"
        raise ScheduleInvalid([Problem("$.name", f"{name!r} cannot be the name of a schedule", hint)])
    check_document(document)
    workflows.get_workflow(name=workflow)
    known = Schedule.objects.filter(name=name).first()
    if known is not None and known.source != Schedule.USER:
        raise ScheduleNotYours(name=name, source=known.source)
    wanted = Wanted(
        name=name, source=Schedule.USER, workflow=workflow, input=document.get("input"), rule=rule_part(document)
    )
    with transaction.atomic():
        return store(wanted, actor=actor, now=now)


def set_policies(*, schedule: Schedule, policies: JsonObject, actor: Actor, now: datetime) -> Schedule:
    """This will say what matters besides the timing of a periodic task, which stays where it is.

    What is left out is as if it had never been said, and overlap is allowed, as it was. Raises ScheduleInvalid,
    ScheduleNotYours for a schedule that has a document of its own.
    """
    if schedule.source != Schedule.PERIODIC or schedule.ended_at is not None:
        raise ScheduleNotYours(name=schedule.name, source=schedule.source)
    unknown = sorted(set(policies) - set(POLICIES))
    if unknown:
        hint = f"choose from {', '.join(POLICIES)}"
        raise ScheduleInvalid([Problem(path_to("$", key), f"there is no policy {key!r}", hint) for key in unknown])
    check_document({"every": 60, **policies})
    with transaction.atomic():
        locked = Schedule.objects.select_for_update().get(id=schedule.pk)
        rule = {key: value for key, value in locked.rule.items() if key not in POLICIES}
        locked.rule = {"overlap": "allow", **policies, **rule}
        plan_again(locked)
        locked.save()
        _audit(locked, actor=actor, now=now)
    return locked


def end_schedule(*, schedule: Schedule, actor: Actor, now: datetime) -> Schedule:
    """This will end a schedule of the user's own for good; its fires stay. Raises ScheduleNotYours."""
    if schedule.source != Schedule.USER:
        raise ScheduleNotYours(name=schedule.name, source=schedule.source)
    with transaction.atomic():
        return end(Schedule.objects.select_for_update().get(id=schedule.pk), actor=actor, now=now)


def store(wanted: Wanted, *, actor: Actor, now: datetime) -> tuple[Schedule, bool]:
    """This will make a schedule what is wanted, inside the caller's transaction. New timing counts from now on."""
    fresh = Schedule(
        name=wanted.name,
        source=wanted.source,
        periodic_task_id=wanted.periodic_task_id,
        workflow=wanted.workflow,
        input=wanted.input,
        rule=dict(wanted.rule),
        created_at=now,
        created_by=str(actor),
    )
    known = Schedule.objects.select_for_update().filter(name=wanted.name).first()
    if known is None:
        fresh.save(force_insert=True)
        _audit(fresh, actor=actor, now=now)
        return fresh, True
    same = (known.workflow, known.input, known.rule) == (wanted.workflow, wanted.input, dict(wanted.rule))
    if same and known.ended_at is None:
        return known, False
    if known.ended_at is not None or _when(known.rule) != _when(wanted.rule):
        known.last_due_at = now
    known.workflow, known.input, known.rule = wanted.workflow, wanted.input, dict(wanted.rule)
    known.periodic_task_id, known.ended_at = wanted.periodic_task_id, None
    plan_again(known)
    known.save()
    _audit(known, actor=actor, now=now)
    return known, False


def end(schedule: Schedule, *, actor: Actor, now: datetime) -> Schedule:
    """This will end a schedule inside the caller's transaction; ending it again changes nothing."""
    if schedule.ended_at is None:
        schedule.ended_at, schedule.periodic_task_id = now, None
        stop_planning(schedule)
        schedule.save()
        audit.record(event(EventKind.SCHEDULE_ENDED, name=schedule.name, actor=actor, now=now))
    return schedule


def plan_again(schedule: Schedule) -> None:
    """This will have the schedule's next due time be found anew, unless it is paused."""
    schedule.revision += 1
    schedule.next_due_at = schedule.next_fire_at = None
    schedule.is_planned = schedule.paused_at is not None


def stop_planning(schedule: Schedule) -> None:
    """This will have the schedule not be due any more."""
    schedule.revision += 1
    schedule.next_due_at = schedule.next_fire_at = None
    schedule.is_planned = True


def _when(rule: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    return {key: rule[key] for key in _WHEN if key in rule}


def _audit(schedule: Schedule, *, actor: Actor, now: datetime) -> None:
    rule = {key: str(value) if isinstance(value, float) else value for key, value in schedule.rule.items()}
    changed = event(
        EventKind.SCHEDULE_CHANGED,
        name=schedule.name,
        actor=actor,
        now=now,
        workflow=schedule.workflow,
        source=schedule.source,
        rule=str(rule),
    )
    audit.record(changed)
