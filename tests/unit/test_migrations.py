"""Two releases share a database while one follows the other: a migration only adds what the older one need not know."""

import re
import tomllib
from collections.abc import Iterator, Mapping

from django.db.migrations import (
    AddField,
    CreateModel,
    DeleteModel,
    Migration,
    RemoveField,
    RenameField,
    RenameModel,
    RunSQL,
)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import NOT_PROVIDED, IntegerField

from tests.support.environment import ROOT

APPS = ("audit", "automation", "integrations", "reconciliation", "retention", "workflows")
RELEASED: Mapping[str, str] = {}
"""The latest migration of each app in the first release; empty until there is one: nobody works on older tables yet."""
_TAKES_AWAY = re.compile(r"\b(drop\s+(table|column)|rename\s+(to|column)|set\s+not\s+null)\b", re.IGNORECASE)


def all_migrations() -> Iterator[tuple[str, Migration]]:
    """This will give our migrations by name."""
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        if app in APPS:
            yield f"{app}.{name}", migration


def hindrances(migration: Migration) -> Iterator[str]:
    """This will name what an older release could not work with."""
    made = {one.name.lower() for one in migration.operations if isinstance(one, CreateModel)}
    for one in migration.operations:
        if isinstance(one, AddField) and one.model_name.lower() not in made and not _is_optional(one):
            yield f"{one.model_name}.{one.name} is added without null=True or db_default: older releases do not fill it"
        if isinstance(one, RemoveField | DeleteModel | RenameField | RenameModel):
            yield f"{one.describe()}: older releases still use it"
        if isinstance(one, RunSQL) and _TAKES_AWAY.search(_text_of(one)):
            yield f"SQL takes something away: {_text_of(one)[:100]}"


def _is_optional(one: AddField) -> bool:
    return bool(one.field.null or one.field.many_to_many or one.field.db_default is not NOT_PROVIDED)


def _text_of(one: Operation) -> str:
    return str(getattr(one, "sql", ""))


def test_migrations_behind_the_first_release_leave_older_ones_what_they_use() -> None:
    found = {
        name: list(hindrances(migration))
        for name, migration in all_migrations()
        if name > f"{migration.app_label}.{RELEASED.get(migration.app_label, '9')}"
        and not hasattr(migration, "contracts")
    }

    assert not any(found.values()), f"{found}: see `A migration` in CONTRIBUTING.md"


def test_first_release_is_known_as_soon_as_there_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    is_out = project["version"] != "0.1.0"

    assert set(RELEASED) == (set(APPS) if is_out else set()), "name the latest migration of each app in 0.1.0"


def test_what_takes_something_away_is_found() -> None:
    migration = Migration("later", "workflows")
    migration.operations = [
        RemoveField("run", "input"),
        RenameField("run", "input", "value"),
        AddField("run", "more", IntegerField(default=0)),
        AddField("run", "kept", IntegerField(db_default=0)),
        AddField("run", "also_kept", IntegerField(null=True)),
        RunSQL("alter table workflows_run drop column input"),
        RunSQL("create index one on workflows_run (id)"),
    ]

    assert len(list(hindrances(migration))) == 4
