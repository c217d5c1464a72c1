"""Plants faults in the ledgers of the outside systems, as other people's software does; it repairs nothing."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from examples.orders.ledger import Ledger, Posting
from examples.orders.money import amount_of
from examples.orders.orders import Order

UNHEARD_OF, CHANGED, ORPHANS = 3, 2, 1
ORPHAN = "9999-19991231-{:05}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """The orders whose entries were spoilt, by how."""

    unheard_of: Sequence[str]
    """Charged, and the CRM never heard of it."""
    changed: Sequence[str]
    """Booked with another amount."""
    orphans: Sequence[str]
    """Charged, and nobody ordered it."""

    def __len__(self) -> int:
        return len(self.unheard_of) + len(self.changed) + len(self.orphans)


def plant(*, orders: Sequence[Order], gateway: Path, crm: Path) -> Planted:
    """This will spoil a few entries, spread over all orders that cost something."""
    charged = [order for order in orders if order.total_cents > 0]
    chosen = charged[:: max(1, len(charged) // (UNHEARD_OF + CHANGED))][: UNHEARD_OF + CHANGED]
    planted = Planted(
        unheard_of=[order.order_id for order in chosen[:UNHEARD_OF]],
        changed=[order.order_id for order in chosen[UNHEARD_OF:]],
        orphans=[ORPHAN.format(number) for number in range(ORPHANS)],
    )
    _forget(crm, order_ids=planted.unheard_of)
    _change(crm, order_ids=planted.changed)
    with closing(Ledger(path=gateway)) as ledger:
        for order_id in planted.orphans:
            ledger.post(_orphan(order_id), now="1999-12-31T00:00:00+00:00")
    return planted


def _forget(path: Path, *, order_ids: Sequence[str]) -> None:
    with closing(Ledger(path=path)) as ledger:
        for order_id in order_ids:
            ledger.correct(kind="bookings", order_id=order_id, posting=None)


def _change(path: Path, *, order_ids: Sequence[str]) -> None:
    """A dollar too much in each."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for order_id in order_ids:
            where = (order_id,)
            select = "SELECT amount_cents, payload FROM entries WHERE kind = 'bookings' AND order_id = ?"
            cents, payload = connection.execute(select, where).fetchone()
            spoilt = json.dumps({**json.loads(payload), "amount": amount_of(cents + 100)})
            update = "UPDATE entries SET amount_cents = ?, payload = ? WHERE kind = 'bookings' AND order_id = ?"
            connection.execute(update, (cents + 100, spoilt, *where))


def _orphan(order_id: str) -> Posting:
    payload = {"order_id": order_id, "amount": "19.99", "currency": "USD"}
    key = f"planted-{order_id}"
    return Posting(kind="charges", idempotency_key=key, order_id=order_id, amount_cents=1999, payload=payload)
