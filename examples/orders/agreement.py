"""What the reconciliation at the end of the demo came to, and what it must come to; it reconciles nothing itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import orjson

from examples.orders.orders import Order
from examples.orders.planted import Planted
from examples.orders.proof import Figure


@dataclass(slots=True)
class Reconciled:
    """What came of all jobs: variances by kind as they were found, repairs carried out, and those confirmed."""

    rows: int = 0
    found: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    confirmed: int = 0
    standing: int = 0
    elapsed_s: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.rows:,} rows compared, {_words(self.found)} found, {self.repaired} repaired by rule and "
            f"{self.confirmed} confirmed, in {self.elapsed_s:.1f} s"
        )


class Reconciling(Protocol):
    """What the demo needs of reconciliation."""

    def settle(self) -> int:
        """This will compare before anything is wrong; gives what differs."""
        ...

    def reconcile(self) -> Reconciled:
        """This will find, repair and confirm."""
        ...


def write_orders(orders: Sequence[Order], *, directory: Path) -> None:
    """This will write what must have been charged where jobs read files."""
    lines = (orjson.dumps(order.as_input()) for order in orders if order.total_cents > 0)
    (directory / "orders.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def figures(told: Reconciled, *, before: int, planted: Planted, still_wrong: Sequence[Figure]) -> list[Figure]:
    """This will say what must have come of the planted faults; `still_wrong` is what the ledgers say afterwards."""
    kinds = {
        "differs": len(planted.changed),
        "missing_left": len(planted.orphans),
        "missing_right": len(planted.unheard_of),
    }
    return [
        Figure(name="variances before faults were planted", expected="0", found=f"{before}"),
        Figure(name="planted faults found", expected=_words(kinds), found=_words(told.found)),
        Figure(name="repaired by rule", expected=f"{len(planted)}", found=f"{told.repaired}"),
        Figure(name="repairs confirmed by the next comparison", expected=f"{len(planted)}", found=f"{told.confirmed}"),
        Figure(name="variances left open", expected="0", found=f"{told.standing}"),
        Figure(
            name="figures wrong afterwards, by the ledgers",
            expected="0",
            found=f"{len(still_wrong)}",
            examples=tuple(str(figure) for figure in still_wrong),
        ),
    ]


def _words(kinds: Mapping[str, int]) -> str:
    told = (f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(kinds.items()) if number)
    return ", ".join(told) or "nothing"
