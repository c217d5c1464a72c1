"""Notices events that stay away: a run is started once for each absence, and again only after one has come."""

from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, transaction

from audit import operations as audit
from audit.events import Event, EventKind
from automation.eventing import documents
from automation.models import EventTrigger
from automation.receiving.firing import actor_of
from automation.trigger_models import TriggerKind
from workflows import event_queries, operations
from workflows.core.definition import JsonValue
from workflows.core.problems import DefinitionInvalid
from workflows.errors import WorkflowError
from workflows.expressions import ExpressionFailed

log = structlog.get_logger(__name__)
_BATCH = 50
_LOOK_AGAIN_S = 30.0


def look(*, now: datetime, most: int = _BATCH) -> int:
    """This will look at expectations whose time has come, and give how many were overdue."""
    with transaction.atomic():
        due = EventTrigger.objects.filter(kind=TriggerKind.MISSING, ended_at=None, due_at__lte=now).order_by("due_at")
        triggers = list(due.select_for_update(skip_locked=True)[:most])
        return sum(_look(trigger, now=now) for trigger in triggers)


def _look(trigger: EventTrigger, *, now: datetime) -> bool:
    latest = event_queries.latest_at(event_type=trigger.type, is_prefix=trigger.is_prefix, source=trigger.source)
    begun_at = max(trigger.created_at, latest) if latest is not None else trigger.created_at
    until = begun_at + timedelta(seconds=trigger.within_s)
    if until > now:
        EventTrigger.objects.filter(id=trigger.pk).update(due_at=until, missing_since=None)
        return False
    is_news = trigger.missing_since is None or trigger.missing_since < until
    soon = now + timedelta(seconds=min(_LOOK_AGAIN_S, trigger.within_s))
    since = until if is_news else trigger.missing_since
    EventTrigger.objects.filter(id=trigger.pk).update(due_at=soon, missing_since=since)
    if is_news:
        _tell(trigger, until=until, latest=latest, now=now)
    return is_news


def _tell(trigger: EventTrigger, *, until: datetime, latest: datetime | None, now: datetime) -> None:
    """The run and its word in the trail; a run that cannot be started is told of there."""
    payload: dict[str, JsonValue] = {
        "type": trigger.shown_type,
        "source": trigger.source,
        "expected_by": until.isoformat(),
        "latest_at": None if latest is None else latest.isoformat(),
    }
    try:
        with transaction.atomic():
            started = operations.start_run(
                workflow=trigger.workflow,
                start=operations.Start(
                    input=documents.compiled_input(trigger.input).evaluate({"event": payload}),
                    key=f"missing:{trigger.pk}:{until.isoformat()}",
                ),
                actor=actor_of(trigger.pk),
                now=now,
            )
        payload["run"] = str(started.run_id)
    except DatabaseError:
        raise
    except (WorkflowError, DefinitionInvalid, ExpressionFailed) as error:
        log.warning("trigger_refused", trigger=trigger.pk, workflow=trigger.workflow, problem=str(error))
        payload["problem"] = str(error)[:500]
    audit.record(
        Event(
            kind=EventKind.EVENT_MISSING,
            actor=actor_of(trigger.pk),
            subject_type="trigger",
            subject_id=str(trigger.pk),
            correlation_id=trigger.workflow,
            at=now,
            payload=payload,
        )
    )
