"""No table grows without end: each says how its rows go, exactly once, and the documentation says the same."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from retention import classes

TABLES = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+?) \|", re.MULTILINE)


def ends() -> Iterator[tuple[str, str]]:
    """This will give each table with how its rows end, as docs/retention.md says it."""
    for data in classes.registered():
        yield from ((table.name, f"month of {data.name}") for table in data.tables)
        yield from ((table, f"after its {data.name}") for table, _column in data.tidy)
    for one in classes.swept():
        yield one.table, "batches"
        yield from ((table, f"with `{one.table}`") for table, _column in one.also)
    yield from ((one.table, one.stay.value) for one in classes.lasting())


def documented() -> Mapping[str, str]:
    """This will read the table of the documentation."""
    text = Path("docs/retention.md").read_text(encoding="utf-8")
    return dict(_ROW.findall(text.partition("## Every table")[2]))


def test_every_table_says_once_how_its_rows_end() -> None:
    said = Counter(table for table, how in ends() if not how.startswith("with "))

    assert {table for table, times in said.items() if times > 1} == set()
    assert set(TABLES) - {table for table, _how in ends()} == set(), (
        "say how the rows of a new table end: retention/classes.py"
    )
    assert {table for table, _how in ends()} - set(TABLES) == set(), "no model stands behind these"


def test_documentation_names_every_table_with_how_its_rows_end() -> None:
    wanted = {table: how for table, how in ends() if not how.startswith("with ")}
    wanted |= {table: how for table, how in ends() if table not in wanted}

    assert documented() == wanted


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("data", classes.registered(), ids=lambda data: data.name)
def test_tables_said_to_go_by_month_are_divided(data: classes.DataClass) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class where relkind = 'p' and relname = any(%s)",
            [[table.name for table in data.tables]],
        )
        divided = {name for (name,) in cursor.fetchall()}

    assert divided == {table.name for table in data.tables}
