"""Makes, changes and deletes limits; what is held when a limit is lowered is let end, never taken away."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import structlog
from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import limit_store, plans, releases, statements
from workflows.core.slots import SlotState, fit
from workflows.core.states import RunState
from workflows.errors import LimitInUse, LimitInvalid, UnknownLimit
from workflows.models import Activation, GrownPlan, Limit, Slot, WorkflowVersion

log = structlog.get_logger(__name__)
MAX_CAPACITY = 10_000
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_SHOWN = 5


def set_limit(
    *, name: str, capacity: int, actor: Actor, now: datetime, description: str | None = None
) -> tuple[Limit, bool]:
    """This will make a limit, or change it, and wake who waits for what is free now; gives it and whether it is new.

    Saying the same twice changes and audits nothing the second time; without a `description` that stays as it is.
    Raises LimitInvalid.
    """
    _check(name=name, capacity=capacity)
    with transaction.atomic():
        limit, is_new = Limit.objects.select_for_update().get_or_create(
            name=name, defaults={"capacity": 0, "created_at": now, "updated_at": now}
        )
        text = limit.description if description is None else description
        before = {} if is_new else {"capacity": limit.capacity, "description": limit.description}
        wanted = {"capacity": capacity, "description": text}
        if before == wanted:
            return limit, False
        limit.capacity, limit.description, limit.updated_at = capacity, text, now
        limit.save(update_fields=["capacity", "description", "updated_at"])
        _fit_slots(limit)
        audit.record(
            _event(
                EventKind.LIMIT_CHANGED, name=name, actor=actor, now=now, payload={"before": before, "after": wanted}
            )
        )
        transaction.on_commit(partial(wake, [name]))
    return limit, is_new


def delete_limit(*, name: str, actor: Actor, now: datetime) -> None:
    """This will delete a limit that nothing names any more. Raises UnknownLimit, LimitInUse."""
    with transaction.atomic():
        limit = Limit.objects.select_for_update().filter(name=name).first()
        if limit is None:
            raise UnknownLimit(name)
        used_by = _used_by(name)
        if used_by:
            raise LimitInUse(name=name, used_by=used_by)
        limit.delete()
        audit.record(_event(EventKind.LIMIT_DELETED, name=name, actor=actor, now=now, payload={}))


def wake(names: Sequence[str]) -> int:
    """This will make those due who are first in line for free slots, and tell the dispatchers; gives how many."""
    with transaction.atomic():
        woken = limit_store.wake_line(limits=names)
        if woken:
            statements.run("notify", {})
    return len(woken)


def mend() -> int:
    """This will wake whoever was not woken because the one who should have died, and check that no slot is lost.

    It gives how many were woken. A lost slot is a defect: it is said in the log, and freed.
    """
    names = limit_store.limit_names()
    if not names:
        return 0
    leaks = limit_store.slots_leaked()
    if leaks:
        log.error("slots_leaked", slots=[f"{leak.limit}/{leak.number}" for leak in leaks])
        Slot.objects.filter(holder__in=[leak.holder for leak in leaks]).update(
            holder=None, taken_at=None, is_retiring=False
        )
        for name in {leak.limit for leak in leaks}:
            _fit_again(name)
    return wake(names)


def _fit_again(name: str) -> None:
    with transaction.atomic():
        limit = Limit.objects.select_for_update().filter(name=name).first()
        if limit is not None:
            _fit_slots(limit)


def _check(*, name: str, capacity: int) -> None:
    if not _NAME.fullmatch(name):
        raise LimitInvalid(field="name", problem="must be lower-case letters, digits, - and _, at most 100")
    if not 0 <= capacity <= MAX_CAPACITY:
        raise LimitInvalid(field="capacity", problem=f"must be 0 to {MAX_CAPACITY}")


def _fit_slots(limit: Limit) -> None:
    """The slots are locked one by one in their order: nobody takes or frees one while they are counted."""
    slots = Slot.objects.select_for_update().filter(limit=limit).order_by("id")
    states = [SlotState(slot.number, slot.holder is not None, slot.is_retiring) for slot in slots]
    change = fit(states, capacity=limit.capacity)
    mine = Slot.objects.filter(limit=limit)
    mine.filter(number__in=change.remove).delete()
    mine.filter(number__in=change.retire).update(is_retiring=True)
    mine.filter(number__in=change.keep).update(is_retiring=False)
    Slot.objects.bulk_create(Slot(limit=limit, number=number) for number in change.add)


def _used_by(name: str) -> Sequence[str]:
    """Versions that starts get, and runs that have not ended, whose plan names the limit."""
    naming = WorkflowVersion.objects.filter(plan__contains=[{"limits": [name]}])
    versions = list(naming.values_list("id", flat=True))
    in_use = releases.versions_in_use().filter(id__in=versions).values_list("workflow__name", flat=True)
    grown = GrownPlan.objects.filter(plan__contains=[{"limits": [name]}]).values_list("id", flat=True)
    programs = [*versions, *(plans.grown_version(one) for one in grown)]
    under_way = Activation.objects.filter(version_id__in=programs, run__state=RunState.RUNNING)
    runs = under_way.order_by("run_id").values_list("run_id", flat=True).distinct()[:_SHOWN]
    return [*(f"workflow {one}" for one in sorted(set(in_use))[:_SHOWN]), *(f"run {run_id}" for run_id in runs)]


def _event(kind: EventKind, *, name: str, actor: Actor, now: datetime, payload: Mapping[str, object]) -> Event:
    return Event(
        kind=kind,
        actor=actor,
        subject_type="limit",
        subject_id=name,
        correlation_id="",
        at=now,
        payload=payload,
    )
