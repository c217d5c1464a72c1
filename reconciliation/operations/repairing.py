"""Has repairs carried out as runs of the engine, and notes what came of them; it calls nothing outside itself.

A run is started in the transaction that says so, with a key made of the variance, the rule as it is written, and how
often the variance was opened: whatever is repeated, it is the same run, and its call has the same idempotency key.
"""

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from reconciliation import queries
from reconciliation.core.lifecycle import VarianceState
from reconciliation.core.record import Side
from reconciliation.core.rules import right_side
from reconciliation.errors import AnswerRefused, UnknownVariance
from reconciliation.jobs import rules
from reconciliation.jobs.spec import JobSpec, RepairRule
from reconciliation.models import Repair, RuleInForce, Variance
from reconciliation.operations.planning import seen_by_rules
from reconciliation.operations.trail import ENGINE, of_variance
from reconciliation.states import RepairState
from workflows import operations as workflows
from workflows.core.definition import JsonValue
from workflows.operations import Start


def start_repairs(*, comparison_id: int, agreed: bool, actor: Actor, now: datetime) -> int:
    """This will start what a comparison planned; gives how many began. Said twice it starts nothing twice.

    What people had to agree to altogether, and did not, is held. Raises UnknownComparison.
    """
    comparison = queries.get_comparison(comparison_id)
    asks_for = set() if agreed else set(comparison.plan.get("asks_for", ()))
    planned = Repair.objects.filter(comparison=comparison, state=RepairState.PLANNED).order_by("id")
    planned.filter(rule__in=asks_for).update(state=RepairState.HELD, why="nobody has agreed to it")
    spec = queries.spec_of(queries.latest_version(comparison.job))
    ids = list(planned.values_list("id", flat=True))
    return sum(_start(one, spec=spec, actor=actor, now=now) for one in ids)


def note_repair(*, repair_id: int, now: datetime) -> bool:
    """This will note that a repair was carried out; the next comparison must agree. False: it was noted before."""
    with transaction.atomic():
        if not Repair.objects.filter(id=repair_id, state=RepairState.STARTED).update(
            state=RepairState.DONE, done_at=now
        ):
            return False
        repair = Repair.objects.select_related("variance__job").get(id=repair_id)
        variance = repair.variance
        mine = Variance.objects.filter(id=variance.pk, state=VarianceState.OPEN)
        mine.update(state=VarianceState.REPAIRED, repaired_at=now)
        audit.record(_event(EventKind.REPAIR_DONE, repair, actor=ENGINE, now=now))
    return True


def undo_repair(*, variance_id: int, actor: Actor, now: datetime, reason: str = "") -> Repair:
    """This will undo the latest repair of a variance, where its rule says how; the variance is disputed then.

    Raises UnknownVariance, AnswerRefused when nothing was repaired, NothingToUndo and RunNotEnded.
    """
    variance = Variance.objects.select_related("job").filter(id=variance_id).first()
    if variance is None:
        raise UnknownVariance(variance_id)
    repair = variance.repairs.filter(state=RepairState.DONE).order_by("-id").first()
    if repair is None or repair.run_id is None:
        raise AnswerRefused(variance_id, state=variance.state, wanted="undone")
    with transaction.atomic():
        workflows.undo_run(run_id=repair.run_id, actor=actor, now=now, reason=reason)
        Variance.objects.filter(id=variance_id, state=VarianceState.REPAIRED).update(
            state=VarianceState.DISPUTED, repaired_at=None
        )
        audit.record(_event(EventKind.REPAIR_UNDONE, repair, actor=actor, now=now))
    return repair


def _start(repair_id: int, *, spec: JobSpec, actor: Actor, now: datetime) -> bool:
    with transaction.atomic():
        found = Repair.objects.select_for_update(of=("self",)).select_related("variance__job")
        repair = found.filter(id=repair_id, state=RepairState.PLANNED).first()
        if repair is None:
            return False
        rule = spec.rule(repair.rule)
        why = _why_not(repair, rule=rule)
        if why or rule is None:
            repair.state, repair.why = RepairState.HELD, why
            repair.save(update_fields=["state", "why"])
            return False
        started = workflows.start_run(
            workflow=rules.repair_workflow(spec.name, rule=rule.rule.name),
            start=Start(
                input=_input(repair, rule=rule),
                key=f"repair/{repair.variance_id}/{repair.digest[:16]}/{repair.round}",
                correlation_id=f"reconciliation/{spec.name}/{repair.variance_id}",
            ),
            actor=actor,
            now=now,
        )
        repair.state, repair.run_id = RepairState.STARTED, started.run_id
        repair.save(update_fields=["state", "run_id"])
        audit.record(_event(EventKind.REPAIR_STARTED, repair, actor=actor, now=now))
    return True


def _why_not(repair: Repair, *, rule: RepairRule | None) -> str:
    """What has changed since it was planned."""
    variance = repair.variance
    if rule is None or rule.digest != repair.digest:
        return "the rule has changed"
    if not RuleInForce.objects.filter(job=variance.job, rule=repair.rule, digest=repair.digest).exists():
        return "the rule is not in force"
    if variance.state != VarianceState.OPEN or variance.reopened != repair.round:
        return f"the variance is {variance.state}"
    return ""


def _input(repair: Repair, *, rule: RepairRule) -> JsonValue:
    variance = repair.variance
    return {
        **seen_by_rules(variance),
        "correct": _correct(variance, rule=rule),
        "repair": repair.pk,
        "variance": variance.pk,
        "needs_approval": repair.needs_approval,
    }


def _correct(variance: Variance, *, rule: RepairRule) -> JsonValue:
    """The record as it should be: each value from the side that is right about it."""
    sides: Mapping[Side, Mapping[str, JsonValue] | None] = {Side.LEFT: variance.left, Side.RIGHT: variance.right}
    base = sides[rule.rule.right] or {}
    other = sides[rule.rule.right.other] or {}
    names = {*base, *other} if base and other else set(base)
    return {name: (sides[right_side(rule.rule, name)] or {}).get(name) for name in sorted(names)}


def _event(kind: EventKind, repair: Repair, *, actor: Actor, now: datetime) -> Event:
    payload = {
        "repair": repair.pk,
        "rule": repair.rule,
        "rule_digest": repair.digest,
        "run": str(repair.run_id),
        "comparison": repair.comparison_id,
    }
    return of_variance(kind, repair.variance, job=repair.variance.job.name, actor=actor, now=now, payload=payload)
