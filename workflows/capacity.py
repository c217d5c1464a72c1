"""Reads of limits: how full they are, who has their slots, who waits in line; it changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from workflows import limit_store, plans
from workflows.core.states import WaitReason
from workflows.errors import UnknownLimit
from workflows.models import Activation, Limit, Slot

SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReport:
    """A limit and how full it is. `held` may pass `capacity` for a while after that was lowered."""

    name: str
    capacity: int
    description: str
    held: int
    waiting: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has a slot: a step at work. `until`: the lease of its worker, unless it is renewed."""

    number: int
    run_id: UUID
    step: str
    owner: str
    since: datetime
    until: datetime
    is_retiring: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """Who waits in line for a slot; `position` counts from 1."""

    position: int
    run_id: UUID
    step: str
    priority: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where somebody stands in the line of a limit, and how full the limit is."""

    position: int
    held: int
    capacity: int


def limit_names() -> Sequence[str]:
    """This will name the limits that exist, in their order."""
    return limit_store.limit_names()


def counted() -> QuerySet[Limit]:
    """This will select the limits by name, each with the numbers `held` and `waiting`."""
    line = _line(OuterRef("name")).order_by().values("wait_object").annotate(number=Count("id")).values("number")
    return Limit.objects.annotate(
        held=Count("slots", filter=Q(slots__holder__isnull=False)), waiting=Coalesce(Subquery(line), 0)
    ).order_by("name")


def reports() -> Sequence[LimitReport]:
    """This will give every limit with how full it is, by name."""
    return [_report(limit) for limit in counted()]


def report(*, name: str) -> LimitReport:
    """This will give one limit with how full it is. Raises UnknownLimit."""
    limit = counted().filter(name=name).first()
    if limit is None:
        raise UnknownLimit(name)
    return _report(limit)


def holders(*, name: str) -> Sequence[Holder]:
    """This will give who has the slots of a limit, by their number; the first 100."""
    slots = {slot.holder: slot for slot in _held(name)}
    activations = Activation.objects.in_bulk(list(slots))
    return [
        Holder(
            number=slot.number,
            run_id=activation.run_id,
            step=_step(activation),
            owner=activation.owner,
            since=slot.taken_at or activation.created_at,
            until=activation.due_at,
            is_retiring=slot.is_retiring,
        )
        for holder, slot in slots.items()
        if (activation := activations.get(holder)) is not None
    ]


def line(*, name: str) -> Sequence[Waiter]:
    """This will give who waits for a slot, in the order they will get one; the first 100."""
    return [
        Waiter(
            position=position,
            run_id=row.run_id,
            step=_step(row),
            priority=row.priority,
            since=row.step_started_at or row.created_at,
        )
        for position, row in enumerate(_line(name).order_by("-priority", "id")[:SHOWN], 1)
    ]


def places(activations: Sequence[Activation]) -> Mapping[int, Place]:
    """This will say where activations stand in the lines they wait in, by their ids."""
    waiting = [one for one in activations if one.wait_reason == WaitReason.LIMIT]
    if not waiting:
        return {}
    known = {one.name: _report(one) for one in counted().filter(name__in={one.wait_object for one in waiting})}
    return {
        one.id: Place(
            position=_ahead(one) + 1, held=known[one.wait_object].held, capacity=known[one.wait_object].capacity
        )
        for one in waiting
        if one.wait_object in known
    }


def _ahead(activation: Activation) -> int:
    earlier = Q(priority=activation.priority, id__lt=activation.id) | Q(priority__gt=activation.priority)
    return _line(activation.wait_object).filter(earlier).count()


def _line(name: "str | OuterRef") -> QuerySet[Activation]:
    return Activation.objects.filter(wait_reason=WaitReason.LIMIT, wait_object=name)


def _held(name: str) -> Sequence[Slot]:
    return list(Slot.objects.filter(limit__name=name, holder__isnull=False).order_by("number")[:SHOWN])


def _step(activation: Activation) -> str:
    return plans.step_of(activation).id


def _report(limit: Limit) -> LimitReport:
    return LimitReport(
        name=limit.name,
        capacity=limit.capacity,
        description=limit.description,
        held=getattr(limit, "held", 0),
        waiting=getattr(limit, "waiting", 0),
        created_at=limit.created_at,
        updated_at=limit.updated_at,
    )
