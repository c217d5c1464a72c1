"""The proof of the demo says yes to a right ledger, and names each fault planted in a wrong one."""

from pathlib import Path

import pytest

from examples.orders.ledger import Ledger, Posting
from examples.orders.orders import Order, read_orders
from examples.orders.proof import Figure, prove


def order(order_id: str, total_usd: str) -> Order:
    return Order(order_id=order_id, customer_id="c", ordered_on="1997-01-01", items=1, total_usd=total_usd)


ORDERS = [order("a", "1.00"), order("b", "0.00"), order("c", "2.50")]
RIGHT = [("a", 100), ("c", 250)]


def wrong_figures(path: Path, entries: list[tuple[str, int]]) -> dict[str, Figure]:
    ledger = Ledger(path=path / "ledger.sqlite3")
    with ledger.transaction():
        for number, (order_id, cents) in enumerate(entries):
            ledger.post(posting(f"key-{number}", order_id=order_id, cents=cents), now="1997-01-01")
    ledger.close()
    figures = prove(kind="charges", ledger_path=path / "ledger.sqlite3", orders=ORDERS)
    return {figure.name: figure for figure in figures if not figure.is_right}


def posting(key: str, *, order_id: str, cents: int) -> Posting:
    return Posting(kind="charges", idempotency_key=key, order_id=order_id, amount_cents=cents, payload={})


def test_proof_finds_nothing_when_the_ledger_is_right(tmp_path: Path) -> None:
    assert wrong_figures(tmp_path, RIGHT) == {}


def test_proof_names_the_order_when_it_was_charged_twice(tmp_path: Path) -> None:
    wrong = wrong_figures(tmp_path, [*RIGHT, ("a", 100)])

    assert set(wrong) == {"charges", "charges USD", "charges double"}
    assert str(wrong["charges"]) == "charges: 3 instead of 2"
    assert str(wrong["charges double"]) == "charges double: 1 instead of 0 (a: duplicate right, 2 times)"


def test_proof_names_the_order_when_its_charge_is_missing(tmp_path: Path) -> None:
    wrong = wrong_figures(tmp_path, RIGHT[:1])

    assert set(wrong) == {"charges", "charges USD", "charges missing"}
    assert str(wrong["charges missing"]) == "charges missing: 1 instead of 0 (c: missing right)"


def test_proof_sees_one_missing_and_one_double_although_count_and_total_are_right(tmp_path: Path) -> None:
    orders = [order("a", "1.00"), order("c", "1.00")]
    ledger = Ledger(path=tmp_path / "ledger.sqlite3")
    ledger.post(posting("k1", order_id="a", cents=100), now="1997-01-01")
    ledger.post(posting("k2", order_id="a", cents=100), now="1997-01-01")
    ledger.close()

    figures = prove(kind="charges", ledger_path=tmp_path / "ledger.sqlite3", orders=orders)

    assert [f.name for f in figures if not f.is_right] == ["charges double", "charges missing"]


def test_proof_names_the_order_when_nobody_ordered_it(tmp_path: Path) -> None:
    wrong = wrong_figures(tmp_path, [*RIGHT, ("b", 1)])

    assert wrong["charges nobody ordered"].examples == ("b: missing left",)


def test_proof_names_both_amounts_when_one_is_wrong(tmp_path: Path) -> None:
    wrong = wrong_figures(tmp_path, [("a", 100), ("c", 251)])

    assert set(wrong) == {"charges USD", "charges of another amount"}
    assert wrong["charges of another amount"].examples == ("c: amount_cents is 250 left, 251 right",)


def test_orders_are_the_figures_the_demo_promises() -> None:
    orders = read_orders()

    charged = [order.total_cents for order in orders if order.total_cents > 0]
    assert (len(orders), len(charged), sum(charged)) == (6_919, 6_911, 24_409_194)
    assert [o.order_id for o in orders] == sorted({o.order_id for o in orders})


def test_orders_are_the_first_ones_when_limited() -> None:
    assert [o.order_id for o in read_orders(limit=2)] == ["0001-19970101-00001", "0001-19970118-00002"]


@pytest.mark.parametrize("total", ["1", "1.5", "1,50", "", "1.00 "])
def test_order_is_refused_when_its_total_is_no_amount(total: str) -> None:
    with pytest.raises(ValueError, match="two decimals"):
        order("a", total).as_input()
