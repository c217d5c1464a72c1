"""Acts between the commits of others: tries again, with the locks let go, until nobody is in the way."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TypeVar

import psycopg
from django.db import OperationalError, connection, transaction

from workflows.errors import RunBusy

_Result = TypeVar("_Result")
_PATIENCE_S = 5.0
_PAUSE_S = 0.005
_IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
_is_acting: ContextVar[bool] = ContextVar("is_acting", default=False)


def between_steps(act: Callable[[], _Result]) -> _Result:
    """This will act in a transaction, again and again until no worker is committing a step of the run at that moment.

    A worker that ends a run takes the activation first and then the run, we the other way round: it goes first.
    Inside the caller's transaction each try is a savepoint, which lets go of its locks too; inside another act, which
    holds locks that others may wait for, it is that act which is tried again.
    """
    if _is_acting.get():
        with transaction.atomic():
            return act()
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with transaction.atomic(), _acting():
                return act()
        except OperationalError as error:
            if not _is_in_the_way(error) or time.monotonic() > give_up_at:
                raise
        time.sleep(_PAUSE_S)


def patiently(act: Callable[[], _Result]) -> _Result:
    """This will act as `between_steps` does, on somebody's word, and wait no longer than that for any lock.

    Raises RunBusy when somebody stays in the way.
    """
    if _is_acting.get():
        return between_steps(act)
    try:
        return between_steps(partial(_without_long_waits, act))
    except OperationalError as error:
        if _is_in_the_way(error):
            raise RunBusy from error
        raise


def _is_in_the_way(error: OperationalError) -> bool:
    return isinstance(error.__cause__, _IN_THE_WAY)


@contextmanager
def _acting() -> Iterator[None]:
    token = _is_acting.set(True)
    try:
        yield
    finally:
        _is_acting.reset(token)


def _without_long_waits(act: Callable[[], _Result]) -> _Result:
    """What the caller's transaction does afterwards waits as long as before."""
    before = _set_lock_timeout(f"{_PATIENCE_S:g}s")
    result = act()
    _set_lock_timeout(before)
    return result


def _set_lock_timeout(value: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("select current_setting('lock_timeout'), set_config('lock_timeout', %s, true)", [value])
        return str(cursor.fetchone()[0])
