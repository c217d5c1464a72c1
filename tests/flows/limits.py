"""Limits as tests use them: made, held by a worker that works long, and looked at."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from django.utils import timezone

from tests.flows.driving import TESTER, claimable
from workflows import capacity, limit_store, operations, store
from workflows.models import Limit, Run, Slot


def limit_of(number: int) -> str:
    """This will make a limit of that many slots, and give its name."""
    name = f"limit-{uuid4().hex[:12]}"
    operations.set_limit(name=name, capacity=number, actor=TESTER, now=timezone.now())
    return name


def resize(name: str, number: int) -> None:
    """This will change a limit's capacity."""
    operations.set_limit(name=name, capacity=number, actor=TESTER, now=timezone.now())


def claimed(run_id: UUID) -> int:
    """This will lease a run's activation and take its slots, as a worker that then works long; gives its id."""
    (claim,) = store.claim(refs=claimable(run_id), owner="elsewhere:1", lease_s=60)
    limits = Limit.objects.filter(name__in=_wanted(run_id)).values_list("name", flat=True)
    assert limit_store.take_slots(hold={"id": claim.id, "epoch": claim.epoch}, limits=list(limits)) == []
    return claim.id


def held(name: str) -> int:
    """This will count the slots that somebody has."""
    return Slot.objects.filter(limit__name=name, holder__isnull=False).count()


def line(name: str) -> list[UUID]:
    """This will give the runs in line, the first one first."""
    return [waiter.run_id for waiter in capacity.line(name=name)]


def _wanted(run_id: UUID) -> Sequence[str]:
    run = Run.objects.get(id=run_id)
    return [name for step in run.version.document["steps"].values() for name in step.get("limits", [])]
