"""What processes that work until a signal have in common: how they are told to end, and show that they go on."""

import signal
import threading
from collections.abc import Callable, Mapping
from types import FrameType

from automation import pulse


class Beats:
    """What a part of a process asks and waits with anyway; each time it shows that it goes on."""

    def __init__(self, stopping: threading.Event, part: str) -> None:
        self._stopping = stopping
        self._part = part

    def is_stopping(self) -> bool:
        """This will tell whether the process ends."""
        pulse.beat(self._part)
        return self._stopping.is_set()

    def wait(self, timeout_s: float) -> bool:
        """This will wait, and tell whether the process ends."""
        pulse.beat(self._part, rest_s=timeout_s)
        is_over = self._stopping.wait(timeout_s)
        pulse.beat(self._part)
        return is_over

    @property
    def waiting(self) -> Mapping[str, Callable[..., object]]:
        """This will be what a part is given that only waits."""
        return {"wait": self.wait}

    @property
    def both(self) -> Mapping[str, Callable[..., object]]:
        """This will be what a part is given that also asks."""
        return {"is_stopping": self.is_stopping, "wait": self.wait}


def stop_on_signals() -> threading.Event:
    """This will hear signals: the first lets the round under way end, the second ends the process."""
    stopping = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        if stopping.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    return stopping
