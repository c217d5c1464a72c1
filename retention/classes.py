"""The classes of data that history consists of, each with its tables and its rule; it never reads or changes a row.

An app with divided tables registers its class when it is ready. SQL in a class may use `%(runs)s`, `%(workflows)s` and
`%(correlations)s`, the values of active holds, and `%(begin)s` and `%(end)s`, the bounds of keys of a month.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retention.core.months import KeyKind

_registered: dict[str, "DataClass"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """A divided table: `key` divides it, `match` is what `DataClass.kept` selects."""

    name: str
    key: str
    match: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DataClass:
    """History that is kept for the same time and goes together.

    `tables` begins with the one that decides. `busy` counts its rows under way in a month, `kept` selects the `match`
    of those to keep whatever their age. `tidy` names tables that are not divided, each with its column: their rows go
    when the row they belong to has gone. `proof` selects one column of bytes of a partition `{}`, in an order: what
    went can be compared with a copy by the SHA-256 of it.
    """

    name: str
    kind: KeyKind
    tables: Sequence[Divided]
    months: Callable[[], int]
    busy: str
    kept: str
    tidy: Sequence[tuple[str, str]] = ()
    proof: str = ""

    @property
    def main(self) -> Divided:
        """This will give the table that decides."""
        return self.tables[0]


def register(data: DataClass) -> None:
    """This will add a class; the same name again replaces it."""
    _registered[data.name] = data


def registered() -> Sequence[DataClass]:
    """This will give all classes in the order of their names."""
    return [_registered[name] for name in sorted(_registered)]
