"""Compares the ledgers of the outside systems with the orders, one by one; it never asks the engine."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from examples.orders import ledger
from examples.orders.money import amount_of
from examples.orders.orders import Order, expected_entries
from reconciliation.core.comparators import Exact
from reconciliation.core.compare import Comparison, Field, Variance, VarianceKind
from reconciliation.core.record import Record

MAX_EXAMPLES = 5
_FIELDS = (Field(name="amount_cents", comparator=Exact()),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number that was expected and found. `examples` name what is wrong with it, a few at most."""

    name: str
    expected: str
    found: str
    examples: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """This will tell whether the figure is what it must be."""
        return self.expected == self.found

    def __str__(self) -> str:
        if self.is_right:
            return f"{self.name}: {self.found}"
        shown = f" ({'; '.join(self.examples)})" if self.examples else ""
        return f"{self.name}: {self.found} instead of {self.expected}{shown}"


def prove(*, kind: str, ledger_path: Path, orders: Sequence[Order]) -> list[Figure]:
    """This will compare a ledger's entries of one kind with the orders, order by order.

    The ledger's file is read twice, as a stream. `orders` must be sorted by order id.
    """
    count, cents = _totals(ledger.read_amounts(path=ledger_path, kind=kind))
    wanted_count, wanted_cents = _totals(
        (order.order_id, order.total_cents) for order in orders if order.total_cents > 0
    )
    variances = list(
        Comparison(fields=_FIELDS).compare(
            left=expected_entries(orders),
            right=_records(ledger.read_amounts(path=ledger_path, kind=kind)),
        )
    )
    return [
        Figure(name=kind, expected=f"{wanted_count:,}", found=f"{count:,}"),
        Figure(name=f"{kind} USD", expected=_usd(wanted_cents), found=_usd(cents)),
        _counted(f"{kind} double", variances, kind=VarianceKind.DUPLICATE_RIGHT),
        _counted(f"{kind} missing", variances, kind=VarianceKind.MISSING_RIGHT),
        _counted(f"{kind} nobody ordered", variances, kind=VarianceKind.MISSING_LEFT),
        _counted(f"{kind} of another amount", variances, kind=VarianceKind.DIFFERS),
    ]


def _totals(amounts: Iterable[tuple[str, int]]) -> tuple[int, int]:
    count = total = 0
    for _, cents in amounts:
        count, total = count + 1, total + cents
    return count, total


def _records(amounts: Iterable[tuple[str, int]]) -> Iterator[Record]:
    for order_id, cents in amounts:
        yield Record(order_id, (cents,))


def _counted(name: str, variances: Sequence[Variance], *, kind: VarianceKind) -> Figure:
    """This will give a figure that must be 0: how many differences of a kind there are."""
    found = [variance for variance in variances if variance.kind is kind]
    return Figure(
        name=name,
        expected="0",
        found=f"{len(found):,}",
        examples=tuple(str(variance) for variance in found[:MAX_EXAMPLES]),
    )


def _usd(cents: int) -> str:
    whole, _, fraction = amount_of(cents).partition(".")
    return f"{int(whole):,}.{fraction}"
