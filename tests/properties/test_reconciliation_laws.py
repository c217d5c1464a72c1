"""Laws of comparators, of caps, and of what becomes of a variance."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.core.comparators import Comparator, Exact, Money, Number, Text, Time
from reconciliation.core.compare import VarianceKind
from reconciliation.core.lifecycle import Known, Turn, VarianceState, may_answer, seen, unseen
from reconciliation.core.record import Record
from reconciliation.core.rules import Approval, Case, Limit, Rule, plan
from reconciliation.reading.sorting import sorted_by_key

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.decimals(-3, 3, places=2),
    st.floats(),
    st.datetimes(),
    st.text(max_size=3),
    st.sampled_from(["1", "1.0", "2026-01-01", "2026-01-01T00:00:00Z", " a", "A"]),
    st.tuples(st.sampled_from([1, "1.00", None]), st.sampled_from(["EUR", "eur", "JPY", None])),
)
PLAIN: list[Comparator] = [Exact(), Text(), Number(absolute=Decimal(1)), Money(), Time(skew_s=5), Money(currency="EUR")]
AMOUNTS = st.one_of(st.none(), st.decimals(0, 100, places=2))
CASES = st.lists(st.tuples(st.sampled_from(VarianceKind), AMOUNTS), max_size=20).map(
    lambda pairs: [Case(id=number, kind=kind, amount=amount) for number, (kind, amount) in enumerate(pairs)]
)
LIMITS = st.builds(Limit, count=st.one_of(st.none(), st.integers(0, 5)), amount=AMOUNTS)
APPROVALS = st.builds(Approval, amount=AMOUNTS, count=st.one_of(st.none(), st.integers(0, 5)), total=AMOUNTS)
RULES = st.lists(
    st.tuples(st.frozensets(st.sampled_from(VarianceKind)), LIMITS, st.one_of(st.none(), APPROVALS)), max_size=3
).map(
    lambda parts: [
        Rule(name=f"r{number}", kinds=kinds, cap=cap, approval=approval)
        for number, (kinds, cap, approval) in enumerate(parts)
    ]
)
STATES = st.sampled_from(VarianceState)


@given(comparator=st.sampled_from(PLAIN), left=VALUES, right=VALUES)
def test_comparators_are_symmetric(comparator: Comparator, left: object, right: object) -> None:
    assert comparator.same(left, right) == comparator.same(right, left)


@given(comparator=st.sampled_from(PLAIN), value=VALUES)
def test_a_value_is_the_same_as_itself(comparator: Comparator, value: object) -> None:
    assert comparator.same(value, value)


@given(left=VALUES, right=VALUES)
def test_units_and_zones_mirror_when_the_sides_change_places(left: object, right: object) -> None:
    assert Money(minor_left=True).same(left, right) == Money(minor_right=True).same(right, left)
    berlin = Time(zone_left="Europe/Berlin").same(left, right)
    assert berlin == Time(zone_right="Europe/Berlin").same(right, left)


@given(cases=CASES, rules=RULES)
def test_a_plan_never_exceeds_a_cap_and_leaves_no_case_out(cases: list[Case], rules: list[Rule]) -> None:
    made = plan(cases, rules=rules, holds=lambda _rule, _case: False)

    amounts: dict[str, Decimal] = defaultdict(Decimal)
    counts: dict[str, int] = defaultdict(int)
    for one in made.planned:
        counts[one.rule.name] += 1
        amounts[one.rule.name] += one.case.amount or 0
    for rule in rules:
        assert rule.cap.count is None or counts[rule.name] <= rule.cap.count
        assert rule.cap.amount is None or amounts[rule.name] <= rule.cap.amount
    told = [one.case.id for one in (*made.planned, *made.held)] + [case.id for case in made.unruled]
    assert sorted(told) == [case.id for case in cases]


@given(cases=CASES, rules=RULES)
def test_nothing_above_a_limit_goes_without_people(cases: list[Case], rules: list[Rule]) -> None:
    made = plan(cases, rules=rules, holds=lambda _rule, _case: False)

    for rule in rules:
        mine = [one for one in made.planned if one.rule is rule]
        if rule.approval is None:
            assert not [one for one in mine if one.needs_approval]
            assert rule.name not in made.asks_for
            continue
        limit = rule.approval.amount
        for one in mine:
            is_within = limit is None or (one.case.amount is not None and one.case.amount <= limit)
            assert one.needs_approval != is_within
        if rule.approval.count is not None and len(mine) > rule.approval.count:
            assert rule.name in made.asks_for


@given(state=STATES, is_same=st.booleans(), is_covered=st.booleans(), is_in_flight=st.booleans())
def test_a_variance_that_is_found_is_alive_and_one_that_is_not_is_closed(
    state: VarianceState, is_same: bool, is_covered: bool, is_in_flight: bool
) -> None:
    known = Known(state=state, is_same=is_same, is_covered=is_covered)

    assert seen(known, is_in_flight=is_in_flight)[0].is_alive
    assert unseen(known)[0] is VarianceState.CLOSED
    assert (unseen(known)[1] is Turn.CONFIRMED) == (state is VarianceState.REPAIRED)


@given(state=STATES, wanted=STATES)
def test_a_person_never_closes_or_repairs_a_variance_by_saying_so(state: VarianceState, wanted: VarianceState) -> None:
    if may_answer(state, wanted):
        assert wanted not in (VarianceState.CLOSED, VarianceState.REPAIRED, VarianceState.PENDING)


@given(keys=st.lists(st.text(alphabet="ab\U0001f600é", max_size=2), max_size=12), run=st.integers(1, 5))
def test_sorting_in_runs_is_sorting_whatever_fits_into_a_run(keys: list[str], run: int) -> None:
    records = [Record(key, (number,), {"id": key, "at": date(2026, 1, 1)}) for number, key in enumerate(keys)]

    assert list(sorted_by_key(records, run=run)) == sorted(records, key=lambda record: record.key)
