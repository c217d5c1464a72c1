"""What becomes of the rows of every table, each with its rule; it never reads or changes a row.

An app says of each of its tables how its rows end: they go with their month (`DataClass`), in batches (`Swept`), or
they stay while they stand for something (`Lasting`). `tests/integration/test_every_table_has_an_end.py` knows of no
fourth way. SQL may use `%(runs)s`, `%(workflows)s` and `%(correlations)s`, the values of active holds; that of a month
`%(begin)s` and `%(end)s`, the bounds of its keys; that of a batch `%(limit)s`, the instant before which rows are old.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from retention.core.months import KeyKind

_registered: dict[str, "DataClass"] = {}
_swept: dict[str, "Swept"] = {}
_lasting: dict[str, "Lasting"] = {}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """A table whose old rows go in batches, since months of it would not pay; `why` says so.

    `over` holds for a row, called `it`, that may go: old, ended, and not held. `also` names tables with a column: their
    rows go with the row whose `key` that is. `is_alone`: nobody writes into it meanwhile, because who does so looks
    first whether the row is there. `months` None: `over` says itself what is old.
    """

    table: str
    over: str
    why: str
    months: Callable[[], int] | None
    key: str = "id"
    also: Sequence[tuple[str, str]] = ()
    is_alone: bool = False


class Stay(StrEnum):
    """Why rows of a table need no end of their own."""

    DECLARED = "declared"
    """People or releases write them: they grow with what there is, not with what happens."""
    UNDER_WAY = "under way"
    """A row stands for something under way; who ends that deletes it."""
    EVIDENCE = "evidence"
    """Who was allowed what, and why: kept for ever, and written by people only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """A table whose rows stay as long as what they stand for."""

    table: str
    stay: Stay


def register(data: DataClass) -> None:
    """This will add a class; the same name again replaces it."""
    _registered[data.name] = data


def registered() -> Sequence[DataClass]:
    """This will give all classes in the order of their names."""
    return [_registered[name] for name in sorted(_registered)]


def register_swept(*tables: Swept) -> None:
    """This will add tables whose rows go in batches, in the order in which they are swept."""
    _swept.update({one.table: one for one in tables})


def register_lasting(stay: Stay, *tables: str) -> None:
    """This will add tables whose rows stay."""
    _lasting.update({table: Lasting(table=table, stay=stay) for table in tables})


def swept() -> Sequence[Swept]:
    """This will give all tables that are swept, in the order in which they were registered."""
    return list(_swept.values())


def lasting() -> Sequence[Lasting]:
    """This will give all tables whose rows stay, by name."""
    return [_lasting[table] for table in sorted(_lasting)]
