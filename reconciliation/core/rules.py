"""Which side is right, and what may be repaired of it; pure. The first rule that fits a variance decides.

A rule says how much it may do in one comparison (`cap`): what is beyond that is held. What is above `approval` waits
for people. What cannot be measured is taken for too much.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from reconciliation.core.compare import VarianceKind
from reconciliation.core.record import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many repairs, and so much money, in one comparison; None: no limit."""

    count: int | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """Above what people are asked: for one repair (`amount`), or for all of a comparison (`count`, `total`)."""

    amount: Decimal | None = None
    count: int | None = None
    total: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which variances it is for, which side is right in them, and what may be done.

    Empty `kinds` and `fields` mean all; else a variance fits when all fields that differ are named. `right_of` says
    it field by field where it is not `right`. `condition` is an expression that somebody else evaluates.
    """

    name: str
    kinds: frozenset[VarianceKind] = frozenset()
    fields: frozenset[str] = frozenset()
    condition: str = ""
    right: Side = Side.LEFT
    right_of: Mapping[str, Side] = field(default_factory=dict)
    cap: Limit = field(default_factory=Limit)
    approval: Approval | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A variance as rules see it; `amount` is what it is about in money, None where that is not known."""

    id: int
    kind: VarianceKind
    fields: tuple[str, ...] = ()
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A repair that may be carried out; `needs_approval`: after people have agreed to this one."""

    case: Case
    rule: Rule
    needs_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A repair that a rule wants and its cap forbids."""

    case: Case
    rule: Rule
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What rules make of variances. `asks_for` names the rules whose repairs people must agree to altogether."""

    planned: Sequence[Planned] = ()
    held: Sequence[Held] = ()
    unruled: Sequence[Case] = ()
    asks_for: frozenset[str] = frozenset()


Holds = Callable[[Rule, Case], bool]


def plan(cases: Sequence[Case], *, rules: Sequence[Rule], holds: Holds) -> Plan:
    """This will say what is repaired, in the order of the cases, so that no cap is exceeded.

    `holds` tells whether a rule's condition is true of a case; it is asked only where there is one.
    """
    planned: list[Planned] = []
    held: list[Held] = []
    unruled: list[Case] = []
    used = {rule.name: _Used() for rule in rules}
    for case in cases:
        rule = next((rule for rule in rules if _fits(rule, case, holds=holds)), None)
        if rule is None:
            unruled.append(case)
            continue
        why = used[rule.name].why_not(rule.cap, case)
        if why:
            held.append(Held(case=case, rule=rule, why=why))
        else:
            used[rule.name].take(case)
            planned.append(Planned(case=case, rule=rule, needs_approval=_is_above(rule, case)))
    asks_for = frozenset(rule.name for rule in rules if _asks_for_all(rule, used[rule.name]))
    return Plan(planned=planned, held=held, unruled=unruled, asks_for=asks_for)


def right_side(rule: Rule, field_name: str) -> Side:
    """This will say which side is right about a field."""
    return rule.right_of.get(field_name, rule.right)


@dataclass(slots=True)
class _Used:
    """What a rule has taken of its cap."""

    count: int = 0
    amount: Decimal = Decimal(0)
    is_measured: bool = True

    def why_not(self, cap: Limit, case: Case) -> str:
        if cap.count is not None and self.count >= cap.count:
            return f"the cap is {cap.count} repairs in one comparison"
        if cap.amount is None:
            return ""
        if case.amount is None:
            return "its amount is not known, and the cap is an amount"
        if self.amount + abs(case.amount) > cap.amount:
            return f"the cap is {cap.amount} in one comparison"
        return ""

    def take(self, case: Case) -> None:
        self.count += 1
        self.amount += abs(case.amount or Decimal(0))
        self.is_measured = self.is_measured and case.amount is not None


def _fits(rule: Rule, case: Case, *, holds: Holds) -> bool:
    if rule.kinds and case.kind not in rule.kinds:
        return False
    if rule.fields and not (case.fields and rule.fields.issuperset(case.fields)):
        return False
    return not rule.condition or holds(rule, case)


def _is_above(rule: Rule, case: Case) -> bool:
    if rule.approval is None or rule.approval.amount is None:
        return False
    return case.amount is None or abs(case.amount) > rule.approval.amount


def _asks_for_all(rule: Rule, used: _Used) -> bool:
    if rule.approval is None:
        return False
    over_count = rule.approval.count is not None and used.count > rule.approval.count
    limit = rule.approval.total
    over_total = limit is not None and used.count > 0 and (not used.is_measured or used.amount > limit)
    return over_count or over_total
