"""Who waits for whom: one cleaner at a time, and no hold is placed while a month goes."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

_CLEANER = 5_217_001
_HOLDS = 5_217_002
LOCK_TIMEOUT = "300ms"
"""Shorter than PostgreSQL looks for deadlocks, so that it is always the cleaner that gives way."""


@contextmanager
def alone() -> Iterator[bool]:
    """This will tell whether no other process cleans, and keep others from it meanwhile, however this one ends."""
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [_CLEANER])
        (is_mine,) = cursor.fetchone()
    try:
        yield is_mine
    finally:
        if is_mine:
            with connection.cursor() as cursor:
                cursor.execute("select pg_advisory_unlock(%s)", [_CLEANER])


def while_holds_change() -> None:
    """This will keep months from going until the transaction ends."""
    _execute("select pg_advisory_xact_lock_shared(%s)", _HOLDS)


def while_a_month_goes() -> None:
    """This will keep holds from changing until the transaction ends, and bound how long it waits for locks."""
    _execute("select pg_advisory_xact_lock(%s)", _HOLDS)
    _execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")


def _execute(query: str, *parameters: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters or None)
