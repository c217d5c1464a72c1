"""The sources of the reconciliation row: two tables of a million rows, with a thousand faults planted in them."""

from reconciliation.registry import Select, source

LEFT, RIGHT = "bench_ledger_left", "bench_ledger_right"


@source
def ledger(table: str) -> Select:
    """Gives all rows of one of the two tables."""
    if table not in (LEFT, RIGHT):
        raise ValueError(f"{table!r} is no ledger: {LEFT} or {RIGHT}")
    return Select(sql=f'select id, cents, major, currency, email, booked_on from "{table}"')
