"""Reconciles orders, gateway and CRM at the end of the demo; load it when Django is set up."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from audit.events import Actor, ActorKind
from examples.orders.agreement import Reconciled
from examples.orders.campaign import Stalled
from reconciliation import comparing, operations, queries

_HERE = Path(__file__).parent / "jobs"
JOBS = (_HERE / "gateway.yaml", _HERE / "crm.yaml")
"""In this order: what nobody ordered is given back before the CRM is told of it."""
_POLL_S = 0.2
_LIMIT_S = 180.0
_ACTOR = Actor(kind=ActorKind.SYSTEM, id="demo")


class Reconciliation:
    """The jobs of the demo, over the ledgers of this demo."""

    def __init__(self) -> None:
        """This will publish the jobs; those of an earlier demo stay what they are."""
        self._names = [_published(path) for path in JOBS]

    def settle(self) -> int:
        """This will compare before anything is wrong, so that nothing of an earlier demo is left."""
        return sum(sum(_compare(name).by_kind.values()) for name in self._names)

    def reconcile(self) -> Reconciled:
        """This will compare, show, let the rules act, and compare until the repairs are confirmed. Raises Stalled."""
        began = time.monotonic()
        told = Reconciled()
        for name in self._names:
            self._one(name, told=told)
        told.elapsed_s = time.monotonic() - began
        return told

    def _one(self, name: str, *, told: Reconciled) -> None:
        shown = _compare(name)
        told.rows += shown.rows
        for kind, number in shown.by_kind.items():
            told.found[kind] = told.found.get(kind, 0) + number
        for rule in shown.rules:
            operations.put_in_force(name=name, rule=rule, actor=_ACTOR, now=timezone.now())
        planned = _compare(name)
        now = timezone.now()
        started = operations.start_repairs(comparison_id=planned.number, agreed=False, actor=_ACTOR, now=now)
        told.repaired += _wait(name, started=started)
        final = _compare(name)
        told.confirmed += final.confirmed
        told.standing += final.standing


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """What the demo needs of a comparison."""

    number: int
    rows: int
    by_kind: Mapping[str, int]
    rules: Sequence[str]
    confirmed: int
    standing: int


def _published(path: Path) -> str:
    source = path.read_text(encoding="utf-8")
    version, _ = operations.publish(source=source, actor=_ACTOR, now=timezone.now())
    return version.job.name


def _compare(name: str) -> _Compared:
    row = comparing.carry_out(name=name, is_dry_run=False, actor=_ACTOR, now=timezone.now())
    rules = row.plan.get("rules", {})
    touched = [rule for rule, numbers in rules.items() if numbers]
    return _Compared(
        number=row.pk,
        rows=row.left_rows + row.right_rows,
        by_kind=row.by_kind,
        rules=touched,
        confirmed=row.confirmed,
        standing=row.standing,
    )


def _wait(name: str, *, started: int) -> int:
    """Waits until workers have carried the repairs out, and gives how many. Raises Stalled."""
    until = time.monotonic() + _LIMIT_S
    done = 0
    while done < started:
        done = queries.repaired(queries.get_job(name)).count()
        if time.monotonic() > until:
            raise Stalled(ended=done, total=started, limit_s=_LIMIT_S)
        time.sleep(_POLL_S)
    return done
