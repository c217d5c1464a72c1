"""Saves rows that people name, so that the same again changes nothing; its caller opens the transaction and audits."""

from collections.abc import Mapping
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from django.db.models import Model

from audit.events import Actor

Row = TypeVar("Row", bound=Model)


class Saved(NamedTuple, Generic[Row]):
    """What came of it: the row, whether it is new, and whether anything of it has changed."""

    row: Row
    is_new: bool
    is_changed: bool


def save(
    model: type[Row],
    values: Mapping[str, object],
    *,
    actor: Actor,
    now: datetime,
    with_change: Mapping[str, object] | None = None,
) -> Saved[Row]:
    """This will make the row that `values` name by their `name`, or change it to them, locked until the commit.

    `with_change` is written as well, when anything else is.
    """
    rows = model._default_manager
    known = rows.select_for_update().filter(name=values["name"]).first()
    if known is not None and all(getattr(known, name) == value for name, value in values.items()):
        return Saved(known, is_new=False, is_changed=False)
    written = {**values, **(with_change or {}), "updated_at": now, "updated_by": str(actor)[:200]}
    row, is_new = rows.update_or_create(name=values["name"], defaults=written)
    return Saved(row, is_new=is_new, is_changed=True)
