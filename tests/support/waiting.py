"""Waits for a condition with a limit; it never sleeps for luck."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

_POLL_S = 0.02


def wait_until(condition: Callable[[], Value | None], *, limit_s: float = 300.0, what: str = "") -> Value:
    """This will return the first true value of `condition`, or fail after `limit_s` with the latest value."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            name = what or getattr(condition, "__name__", repr(condition))
            raise AssertionError(f"not within {limit_s:.1f} s: {name} (latest value: {value!r})")
        time.sleep(_POLL_S)
    return value
