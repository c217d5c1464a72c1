"""Reads the orders of the example and says what must have happened to each; it never does it."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from examples.orders.money import cents_of
from reconciliation.core.record import Record

ORDERS = Path(__file__).parent / "data" / "cdnow_orders.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One purchase; `ordered_on` is an ISO date."""

    order_id: str
    customer_id: str
    ordered_on: str
    items: int
    total_usd: str

    @property
    def total_cents(self) -> int:
        """This will give the total in whole cents."""
        return cents_of(self.total_usd)

    def as_input(self) -> dict[str, str | int]:
        """This will give the input of the order's run."""
        return {
            "order_id": self.order_id,
            "customer_id": self.customer_id,
            "ordered_on": self.ordered_on,
            "items": self.items,
            "total_usd": self.total_usd,
            "total_cents": self.total_cents,
        }


def read_orders(*, path: Path = ORDERS, limit: int | None = None) -> list[Order]:
    """This will read the file's orders, by order id; the first `limit` of them when given."""
    with path.open(newline="", encoding="utf-8") as file:
        orders = [
            Order(
                order_id=row["order_id"],
                customer_id=row["customer_id"],
                ordered_on=row["ordered_on"],
                items=int(row["items"]),
                total_usd=row["total_usd"],
            )
            for row in csv.DictReader(file)
        ]
    return sorted(orders[:limit], key=lambda order: order.order_id)


def expected_entries(orders: Iterable[Order]) -> Iterator[Record]:
    """This will give what each ledger must hold: every order that costs something, once, with its amount."""
    for order in orders:
        if order.total_cents > 0:
            yield Record(order.order_id, (order.total_cents,))
