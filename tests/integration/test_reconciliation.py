"""A job from its document to its end: compared, shown, repaired by rule, confirmed by the next comparison."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import orjson
import pytest
from django.utils import timezone

from audit import queries as audit
from reconciliation import comparing, operations
from reconciliation.core.lifecycle import VarianceState
from reconciliation.errors import (
    ComparisonLost,
    ComparisonUnderWay,
    JobInvalid,
    RuleNotShown,
    SourceFailed,
    TooManyVariances,
)
from reconciliation.models import Comparison, Repair, Variance
from reconciliation.states import ComparisonState, RepairState
from tests.flows.driving import TESTER, work
from tests.flows.reconciliations import BOOKS, Books

pytestmark = pytest.mark.django_db

REPAIR = {
    "uses": "python",
    "with": {
        "call": "flows.book_right",
        "args": {
            "book": "BOOK",
            "key": "${{ input.key }}",
            "record": "${{ input.correct }}",
            "repair": "${{ string(input.repair) }}",
        },
    },
    "undo": {
        "uses": "python",
        "with": {"call": "flows.take_back", "args": {"book": "BOOK", "key": "${{ input.key }}"}},
    },
}
RULE: dict[str, object] = {"name": "left-wins", "right": "left", "repair": REPAIR}


@pytest.fixture
def books() -> Iterator[tuple[str, Books]]:
    """This will be the name of a job and its books: three records that agree."""
    name = f"job-{uuid4().hex[:12]}"
    BOOKS[name] = Books(
        left={key: {"total": "10.00", "email": f"{key}@example.com"} for key in "abc"},
        right={key: {"total": "10.00", "email": f"{key}@example.com"} for key in "abc"},
    )
    yield name, BOOKS[name]
    del BOOKS[name]


def document(name: str, **more: object) -> dict[str, object]:
    sides = {
        side: {"function": {"call": "flows.ledger", "args": {"book": name, "side": side}}} for side in ("left", "right")
    }
    fields = {"total": {"compare": "money", "currency": "EUR"}, "email": "text"}
    return {"name": name, **sides, "key": "id", "fields": fields, "amount": "total", **more}


def publish(name: str, **more: object) -> None:
    text = orjson.dumps(document(name, **more)).decode().replace('"BOOK"', f'"{name}"')
    operations.publish(source=text, actor=TESTER, now=timezone.now())


def compare(name: str, *, is_dry_run: bool = False) -> Comparison:
    return comparing.carry_out(name=name, is_dry_run=is_dry_run, actor=TESTER, now=timezone.now())


def repair(name: str, comparison: Comparison, *, agreed: bool = False) -> list[UUID]:
    operations.start_repairs(comparison_id=comparison.pk, agreed=agreed, actor=TESTER, now=timezone.now())
    started = Repair.objects.filter(comparison=comparison, run_id__isnull=False).order_by("id")
    runs = [run_id for run_id in started.values_list("run_id", flat=True) if run_id is not None]
    work(*runs)
    return runs


def states(name: str) -> dict[str, str]:
    return dict(Variance.objects.filter(job__name=name).order_by("id").values_list("key", "state"))


def trail(variance_id: int) -> list[str]:
    return list(audit.events_for(str(variance_id)).filter(subject_type="variance").values_list("kind", flat=True))


def test_comparison_finds_each_kind_and_its_counts_add_up(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name)
    book.left["d"] = {"total": "4.00", "email": "d"}
    book.right["e"] = {"total": "5.00", "email": "e"}
    book.right["a"] = {"total": "10.01", "email": "A@EXAMPLE.com "}
    book.repeated = [{"id": "b", "total": "10.00", "email": "b@example.com"}]

    row = compare(name)

    found = {one.key: one for one in Variance.objects.filter(job__name=name)}
    assert {key: one.kind for key, one in found.items()} == {
        "a": "differs",
        "b": "duplicate_right",
        "d": "missing_right",
        "e": "missing_left",
    }
    assert (found["a"].fields, found["a"].amount, found["d"].amount) == (["total"], Decimal("0.01"), Decimal(4))
    assert found["a"].left == {"id": "a", "total": "10.00", "email": "a@example.com"}
    assert (row.left_rows, row.right_rows, row.equal, row.differing, row.only_left, row.only_right) == (
        4,
        5,
        2,
        1,
        1,
        1,
    )
    assert (row.found, row.opened, row.standing, row.right_repeats) == (4, 4, 4, 1)
    assert trail(found["a"].pk) == ["variance.opened"]


def test_repaired_variance_is_closed_only_when_the_next_comparison_agrees(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, rules=[RULE])
    book.right["a"]["total"] = "11.00"
    shown = compare(name)
    assert Repair.objects.get(comparison=shown).state == RepairState.SHOWN
    assert repair(name, shown) == []

    operations.put_in_force(name=name, rule="left-wins", actor=TESTER, now=timezone.now())
    planned = compare(name)
    (run_id,) = repair(name, planned)

    assert states(name) == {"a": "repaired"}
    assert book.right["a"]["total"] == "10.00"
    again = operations.start_repairs(comparison_id=planned.pk, agreed=False, actor=TESTER, now=timezone.now())
    assert (again, len(book.calls)) == (0, 1)

    confirmed = compare(name)
    variance = Variance.objects.get(job__name=name)
    assert (variance.state, variance.closed_how, confirmed.confirmed) == ("closed", "confirmed", 1)
    assert trail(variance.pk) == ["variance.opened", "repair.started", "repair.done", "variance.closed"]
    assert Repair.objects.get(run_id=run_id).state == RepairState.DONE


def test_variance_is_open_again_when_its_repair_did_not_help(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, rules=[RULE])
    book.right["a"]["total"] = "11.00"
    compare(name)
    operations.put_in_force(name=name, rule="left-wins", actor=TESTER, now=timezone.now())
    repair(name, compare(name))
    book.right["a"]["total"] = "12.00"

    row = compare(name)

    variance = Variance.objects.get(job__name=name)
    assert (variance.state, variance.reopened, row.reopened) == ("open", 1, 1)
    (second,) = repair(name, row)
    assert second != Repair.objects.filter(variance=variance).order_by("id")[0].run_id
    assert book.right["a"]["total"] == "10.00"


def test_undone_repair_leaves_the_variance_to_people(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, rules=[RULE])
    book.right["a"]["total"] = "11.00"
    compare(name)
    operations.put_in_force(name=name, rule="left-wins", actor=TESTER, now=timezone.now())
    (run_id,) = repair(name, compare(name))
    variance = Variance.objects.get(job__name=name)

    operations.undo_repair(variance_id=variance.pk, actor=TESTER, now=timezone.now(), reason="wrong side")
    work(run_id)

    assert "a" not in book.right
    assert states(name) == {"a": "disputed"}


def test_caps_hold_what_is_beyond_them(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, rules=[{**RULE, "cap": {"count": 2, "amount": "4.00"}}])
    for key, total in (("a", "11.00"), ("b", "15.00"), ("c", "12.00")):
        book.right[key]["total"] = total
    compare(name)
    operations.put_in_force(name=name, rule="left-wins", actor=TESTER, now=timezone.now())

    repair(name, compare(name))

    assert states(name) == {"a": "repaired", "b": "open", "c": "repaired"}
    held = Repair.objects.get(variance__job__name=name, variance__key="b")
    assert (held.state, held.why) == ("held", "the cap is 4.00 in one comparison")


def test_nothing_starts_without_the_people_it_needs(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, rules=[{**RULE, "approval": {"count": 1, "groups": ["finance"]}}])
    for key in "ab":
        book.right[key]["total"] = "11.00"
    compare(name)
    operations.put_in_force(name=name, rule="left-wins", actor=TESTER, now=timezone.now())

    row = compare(name)
    assert row.plan["asks_for"] == ["left-wins"]
    assert repair(name, row) == []
    assert states(name) == {"a": "open", "b": "open"}

    row = compare(name)
    assert len(repair(name, row, agreed=True)) == 2


def test_rule_is_not_in_force_before_it_was_shown(books: tuple[str, Books]) -> None:
    name, _ = books
    publish(name, rules=[RULE])

    with pytest.raises(RuleNotShown, match="compare first"):
        operations.put_in_force(name=name, rule="left-wins", actor=TESTER, now=timezone.now())


def test_accepted_variance_stays_until_it_becomes_another(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name)
    book.right["a"]["total"] = "11.00"
    compare(name)
    variance = Variance.objects.get(job__name=name)
    answered = operations.answer(
        ids=[variance.pk, -1], wanted=VarianceState.ACCEPTED, note="agreed by phone", actor=TESTER, now=timezone.now()
    )
    assert (answered.changed, answered.refused) == ([variance.pk], {-1: "there is no such variance"})

    compare(name)
    assert states(name) == {"a": "accepted"}

    book.right["a"]["total"] = "99.00"
    compare(name)
    assert states(name) == {"a": "open"}
    assert trail(variance.pk) == ["variance.opened", "variance.answered", "variance.reopened"]


def test_what_is_young_is_pending_and_what_is_outside_of_the_window_is_left_alone(books: tuple[str, Books]) -> None:
    name, book = books
    now = timezone.now()
    publish(name, time="at", window={"last": "2d", "margin": "1d"}, grace="1h")
    for number, (key, hours) in enumerate((("a", 0), ("b", 3), ("c", 60), ("d", 80))):
        at = (now - timedelta(hours=hours)).isoformat()
        book.left[key] = {"total": "1.00", "email": str(number), "at": at}
    book.right.clear()

    row = compare(name)
    assert states(name) == {"a": "pending", "b": "open"}
    assert (row.outside, row.pending, row.left_rows) == (1, 1, 3)

    publish(name, time="at", window={"last": "2h"}, grace="1h")
    compare(name)
    assert states(name) == {"a": "pending", "b": "open"}


def test_dry_run_shows_and_changes_nothing(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, rules=[RULE], redact=["email"])
    book.right["a"]["total"] = "11.00"

    row = compare(name, is_dry_run=True)

    assert (row.found, row.standing) == (1, 0)
    assert row.plan["rules"] == {"left-wins": {"shown": 1}}
    assert row.samples[0]["left"] == {"id": "a", "total": "10.00", "email": "***"}
    assert states(name) == {}


def test_comparison_that_dies_has_changed_nothing_and_is_done_anew(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name)
    book.right["a"]["total"] = "11.00"
    book.breaks_at = "c"
    run_id = uuid4()
    begun = operations.begin(name=name, is_dry_run=False, actor=TESTER, now=timezone.now(), run_id=run_id)
    with pytest.raises(ComparisonUnderWay):
        compare(name)
    with pytest.raises(OSError, match="dies"):
        comparing.carry_out(name=name, is_dry_run=False, actor=TESTER, now=timezone.now(), run_id=run_id)
    assert states(name) == {}

    book.breaks_at = ""
    row = comparing.carry_out(name=name, is_dry_run=False, actor=TESTER, now=timezone.now(), run_id=run_id)

    assert (row.pk, row.epoch, row.state) == (begun.comparison_id, 3, ComparisonState.DONE)
    assert states(name) == {"a": "open"}
    with pytest.raises(ComparisonLost):
        operations.renew(begun, now=timezone.now())
    same = comparing.carry_out(name=name, is_dry_run=False, actor=TESTER, now=timezone.now(), run_id=run_id)
    assert (same.pk, Comparison.objects.filter(job__name=name).count()) == (row.pk, 1)


def test_abandoned_comparison_makes_room_when_its_lease_is_over(books: tuple[str, Books]) -> None:
    name, _ = books
    publish(name)
    lost = operations.begin(name=name, is_dry_run=False, actor=TESTER, now=timezone.now() - timedelta(minutes=5))

    row = compare(name)

    assert Comparison.objects.get(id=lost.comparison_id).state == ComparisonState.ABANDONED
    assert row.state == ComparisonState.DONE


def test_comparison_gives_up_when_everything_differs(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name, most_variances=2)
    book.right.clear()

    with pytest.raises(TooManyVariances):
        compare(name)

    row = Comparison.objects.get(job__name=name)
    assert (row.state, states(name)) == (ComparisonState.FAILED, {})
    assert "more than 2 variances" in row.error


def test_source_that_cannot_be_used_is_named_with_its_row(books: tuple[str, Books]) -> None:
    name, book = books
    publish(name)
    del book.right["b"]["email"]

    with pytest.raises(SourceFailed, match="right: row 2 has no column 'email': it has id, total"):
        compare(name)


def test_databases_sum_first_and_only_what_differs_is_read() -> None:
    name = f"job-{uuid4().hex[:12]}"
    rows = {"rows": 30_000, "changed": 0, "lacking": 0, "twice": 0}
    sides = {
        "left": {"function": {"call": "flows.series", "args": rows}},
        "right": {"function": {"call": "flows.series", "args": {**rows, "changed": 20, "lacking": 30, "twice": 7}}},
    }
    fields = {"cents": {"compare": "money", "currency": {"left": "currency", "right": "currency"}}}
    text = orjson.dumps({"name": name, **sides, "key": "id", "fields": fields}).decode()
    operations.publish(source=text, actor=TESTER, now=timezone.now())

    row = compare(name)

    assert row.by_kind == {"differs": 20, "missing_right": 30, "duplicate_right": 7}
    assert (row.left_rows, row.right_rows) == (30_000, 29_977)
    assert row.skipped > 25_000


def test_document_is_refused_with_every_problem_at_its_place(books: tuple[str, Books]) -> None:
    name, _ = books
    hidden = {"uses": "set", "with": {"v": "${{ input.left.total }}"}}
    wrong = document(
        name,
        fields={"total": {"compare": "text", "tolerance": 1}},
        amount="totl",
        grace="soon",
        redact=["total"],
        rules=[
            {"name": "r", "right": {"x": "left"}, "if": "variance.amount >", "repair": hidden},
            {"name": "r", "right": "left", "approval": {"groups": ["a"]}},
        ],
    )  # fmt: skip

    with pytest.raises(JobInvalid) as refused:
        operations.publish(source=orjson.dumps(wrong).decode(), actor=TESTER, now=timezone.now())

    told = {problem.path: problem.message for problem in refused.value.problems}
    assert told.keys() == {
        "$.grace",
        "$.fields.total.tolerance",
        "$.amount",
        "$.rules[0].right.x",
        "$.rules[0].if",
        "$.rules[0].repair.with.v",
        "$.rules[1].name",
        "$.rules[1].approval",
    }
    assert told["$.amount"] == "there is no field 'totl'"


def test_repair_that_is_no_step_is_refused_at_its_place(books: tuple[str, Books]) -> None:
    name, _ = books

    with pytest.raises(JobInvalid) as refused:
        publish(name, rules=[{"name": "r", "right": "left", "repair": {"uses": "http.reqest"}}])

    assert refused.value.problems[0].path == "$.rules[0].repair.uses"
