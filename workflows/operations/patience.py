"""Acts between the commits of others: tries again, with the locks let go, until nobody is in the way."""

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg
from django.db import OperationalError, transaction

_Result = TypeVar("_Result")
_PATIENCE_S = 5.0
_PAUSE_S = 0.005


def between_steps(act: Callable[[], _Result]) -> _Result:
    """This will act in a transaction, again and again until no worker is committing a step of the run at that moment.

    A worker that ends a run takes the activation first and then the run, we the other way round: it goes first.
    Inside the caller's transaction each try is a savepoint, which lets go of its locks too.
    """
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with transaction.atomic():
                return act()
        except OperationalError as error:
            is_busy = isinstance(error.__cause__, psycopg.errors.LockNotAvailable)
            if not is_busy or time.monotonic() > give_up_at:
                raise
        time.sleep(_PAUSE_S)
