"""Has rules decide about what a comparison found, and writes down what is to be repaired; it repairs nothing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

import structlog

from reconciliation import queries
from reconciliation.core.compare import VarianceKind
from reconciliation.core.lifecycle import VarianceState
from reconciliation.core.rules import Case, Holds, Plan, Rule
from reconciliation.core.rules import plan as planned
from reconciliation.jobs.meaning import VARIANCE
from reconciliation.jobs.spec import JobSpec, RepairRule
from reconciliation.models import Comparison, Repair, RuleInForce, Variance
from reconciliation.states import RepairState
from workflows.core.definition import JsonValue
from workflows.expressions import ExpressionFailed, compile_condition

log = structlog.get_logger(__name__)
_AT_ONCE = 500


class Seen(Protocol):
    """What rules see of a variance, whether it is kept or only shown."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> Any: ...  # Any: a VarianceKind, or its text
    @property
    def fields(self) -> Sequence[str]: ...
    @property
    def left(self) -> Mapping[str, JsonValue] | None: ...
    @property
    def right(self) -> Mapping[str, JsonValue] | None: ...
    @property
    def amount(self) -> Decimal | None: ...


def plan(row: Comparison, *, spec: JobSpec, now: datetime) -> dict[str, Any]:  # Any: JSON
    """This will plan the repairs of a comparison, inside the caller's transaction, and tell them in numbers.

    A variance whose repair is under way, or was carried out, is left alone.
    """
    if not spec.rules:
        return {}
    found = Variance.objects.filter(job=row.job, last_comparison=row, state=VarianceState.OPEN).order_by("id")
    busy = queries.being_repaired(row, digests=[one.digest for one in spec.rules])
    rows = {one.pk: one for one in found if one.pk not in busy}
    made = _made(spec, rows)
    in_force = dict(RuleInForce.objects.filter(job=row.job).values_list("rule", "digest"))
    repairs = [_repair(one.case, one.rule, needs_approval=one.needs_approval) for one in made.planned]
    repairs += [_repair(one.case, one.rule, why=one.why) for one in made.held]
    kept: list[Repair] = []
    for repair in repairs:
        rule = spec.rule(repair.rule)
        assert rule is not None, "a plan names rules of its job"
        if rule.step is None:
            continue
        repair.variance, repair.comparison = rows[repair.variance_id], row
        repair.round, repair.digest, repair.planned_at = repair.variance.reopened, rule.digest, now
        if in_force.get(rule.rule.name) != rule.digest:
            repair.state = RepairState.SHOWN
        kept.append(repair)
    Repair.objects.bulk_create(
        kept,
        batch_size=_AT_ONCE,
        update_conflicts=True,
        unique_fields=["variance", "digest", "round"],
        update_fields=["comparison", "rule", "state", "why", "needs_approval", "planned_at"],
    )
    return _numbers(spec, made, states=Counter((one.rule, str(one.state)) for one in kept), in_force=in_force)


def shown(spec: JobSpec, findings: Sequence[Seen]) -> dict[str, Any]:  # Any: JSON
    """This will give what rules would make of findings, in numbers."""
    if not spec.rules:
        return {}
    made = _made(spec, dict(enumerate(findings)))
    states = Counter((one.rule.name, str(RepairState.SHOWN)) for one in made.planned)
    states += Counter((one.rule.name, str(RepairState.HELD)) for one in made.held)
    return _numbers(spec, made, states=states, in_force={})


def add(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON
    """This will add up the numbers of two plans."""
    if not one or not other:
        return dict(one or other)
    rules = {name: dict(numbers) for name, numbers in one["rules"].items()}
    for name, numbers in other["rules"].items():
        mine = rules.setdefault(name, {})
        for state, number in numbers.items():
            mine[state] = mine.get(state, 0) + number
    asks_for = sorted({*one["asks_for"], *other["asks_for"]})
    return {"rules": rules, "unruled": one["unruled"] + other["unruled"], "asks_for": asks_for}


def seen_by_rules(one: Seen) -> dict[str, JsonValue]:
    """This will give a variance as conditions and repairs see it."""
    return {
        "key": one.key,
        "kind": str(one.kind),
        "fields": list(one.fields),
        "left": None if one.left is None else dict(one.left),
        "right": None if one.right is None else dict(one.right),
        "amount": None if one.amount is None else f"{one.amount:f}",
    }


def _made(spec: JobSpec, rows: Mapping[int, Seen]) -> Plan:
    cases = [
        Case(id=number, kind=VarianceKind(one.kind), fields=tuple(one.fields), amount=one.amount)
        for number, one in rows.items()
    ]
    return planned(cases, rules=[one.rule for one in spec.rules], holds=_holder(spec, rows))


def _holder(spec: JobSpec, rows: Mapping[int, Seen]) -> Holds:
    conditions = {
        one.rule.name: compile_condition(one.rule.condition, scope=VARIANCE).evaluate
        for one in spec.rules
        if one.rule.condition
    }

    def holds(rule: Rule, case: Case) -> bool:
        try:
            return conditions[rule.name]({"variance": seen_by_rules(rows[case.id])}) is True
        except ExpressionFailed as error:
            log.warning("rule_without_answer", job=spec.name, rule=rule.name, key=rows[case.id].key, error=str(error))
            return False

    return holds


def _repair(case: Case, rule: Rule, *, needs_approval: bool = False, why: str = "") -> Repair:
    state = RepairState.HELD if why else RepairState.PLANNED
    return Repair(variance_id=case.id, rule=rule.name, state=state, why=why, needs_approval=needs_approval)


def _numbers(
    spec: JobSpec, made: Plan, *, states: Mapping[tuple[str, str], int], in_force: Mapping[str, str]
) -> dict[str, Any]:  # Any: JSON
    def is_in_force(one: RepairRule) -> bool:
        return in_force.get(one.rule.name) == one.digest

    numbers: dict[str, dict[str, int]] = {one.rule.name: {} for one in spec.rules}
    for (rule, state), number in sorted(states.items()):
        numbers[rule][state] = number
    asking = {one.rule.name for one in spec.rules if is_in_force(one)} & made.asks_for
    return {"rules": numbers, "unruled": len(made.unruled), "asks_for": sorted(asking)}
