"""Starts the runs that events ask for: matched, started and marked in one transaction, those of a trigger together.

The start key is made of trigger and event, so that a run which exists already is found and never started twice.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog
from django.db import InterfaceError, OperationalError, transaction

from audit import operations as audit
from audit.events import Actor, ActorKind, Event, EventKind
from automation.eventing import documents
from automation.models import TriggerFiring
from automation.trigger_models import FiringState
from workflows import event_queries, operations
from workflows.core.definition import JsonObject
from workflows.core.problems import DefinitionInvalid
from workflows.errors import WorkflowError
from workflows.expressions import ExpressionFailed

log = structlog.get_logger(__name__)
BATCH = 50
_REFUSALS = (WorkflowError, DefinitionInvalid, ExpressionFailed)
_AWAY = (OperationalError, InterfaceError)
_PROBLEM = 500
_CHANGED = ("state", "run_id", "problem", "settled_at")


def fire(*, now: datetime, most: int = BATCH) -> int:
    """This will settle firings, the earliest first, and give how many."""
    with transaction.atomic():
        pending = TriggerFiring.objects.filter(state=FiringState.PENDING).order_by("id").select_related("trigger")
        firings = list(pending.select_for_update(skip_locked=True, of=("self",))[:most])
        if not firings:
            return 0
        seen = event_queries.documents({firing.event for firing in firings})
        for group in _by_trigger(firings):
            _settle_all(group, seen=seen, now=now)
        TriggerFiring.objects.bulk_update(firings, _CHANGED)
    return len(firings)


def _by_trigger(firings: Sequence[TriggerFiring]) -> Sequence[Sequence[TriggerFiring]]:
    groups: defaultdict[int, list[TriggerFiring]] = defaultdict(list)
    for firing in firings:
        groups[firing.trigger_id].append(firing)
    return list(groups.values())


def _settle_all(firings: Sequence[TriggerFiring], *, seen: Mapping[UUID, JsonObject], now: datetime) -> None:
    """Together they cost hardly more than one; when one of them is refused, all are settled one by one."""
    try:
        with transaction.atomic():
            _start_all(firings, seen=seen, now=now)
    except _AWAY:
        raise
    except Exception as error:  # noqa: BLE001  whose it is shows when they are settled one by one
        log.info("triggers_settled_singly", trigger=firings[0].trigger_id, reason=type(error).__name__)
        for firing in firings:
            _settle(firing, event=seen.get(firing.event), now=now)


def _start_all(firings: Sequence[TriggerFiring], *, seen: Mapping[UUID, JsonObject], now: datetime) -> None:
    trigger = firings[0].trigger
    starts = [(firing, _start_of(firing, event=seen[firing.event])) for firing in firings]
    wanted = [start for _, start in starts if start is not None]
    actor = actor_of(trigger.pk)
    started = operations.start_runs(workflow=trigger.workflow, starts=wanted, actor=actor, now=now) if wanted else ()
    runs = iter(started)
    for firing, start in starts:
        firing.settled_at = now
        if start is None:
            firing.state = FiringState.PASSED
        else:
            firing.state, firing.run_id = FiringState.STARTED, next(runs).run_id


def _settle(firing: TriggerFiring, *, event: JsonObject | None, now: datetime) -> None:
    if event is None:
        _refuse(firing, problem="its event is not kept any more", now=now)
        return
    try:
        with transaction.atomic():
            _start_all([firing], seen={firing.event: event}, now=now)
    except _REFUSALS as error:
        _refuse(firing, problem=str(error), now=now)
    except _AWAY:
        raise
    except Exception as error:  # one trigger must not hold up all the others
        log.exception("trigger_failed", trigger=firing.trigger_id, event=str(firing.event))
        _refuse(firing, problem=f"{type(error).__name__}: {error}", now=now)


def _start_of(firing: TriggerFiring, *, event: JsonObject) -> operations.Start | None:
    """What its run begins with; None when the trigger does not ask for this event."""
    trigger, context = firing.trigger, {"event": event}
    if trigger.match and documents.compiled_match(trigger.match).evaluate(context) is not True:
        return None
    return operations.Start(
        input=documents.compiled_input(trigger.input).evaluate(context),
        key=f"trigger:{trigger.pk}:{firing.event}",
        correlation_id=str(event["key"] or event["id"])[:200],
    )


def _refuse(firing: TriggerFiring, *, problem: str, now: datetime) -> None:
    text = problem[:_PROBLEM].replace("\0", "")
    firing.state, firing.problem, firing.settled_at = FiringState.REFUSED, text, now
    log.warning("trigger_refused", trigger=firing.trigger_id, workflow=firing.trigger.workflow, problem=text)
    audit.record(
        Event(
            kind=EventKind.TRIGGER_REFUSED,
            actor=actor_of(firing.trigger_id),
            subject_type="trigger",
            subject_id=str(firing.trigger_id),
            correlation_id=firing.trigger.workflow,
            at=now,
            payload={"event": str(firing.event), "problem": text},
        )
    )


def actor_of(trigger: int) -> Actor:
    """This will give who starts the runs of a trigger."""
    return Actor(kind=ActorKind.TRIGGER, id=str(trigger))
