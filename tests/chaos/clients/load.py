"""The load: draws what is wanted at the rate of the script and hands it to clients; it waits for no run."""

import queue
import threading
import time
from collections.abc import Callable
from random import Random
from typing import TypeAlias

from django.db import connections

from tests.chaos.book import Book, Wanted
from tests.chaos.clients import business
from tests.chaos.clients.api import ApiClient
from tests.chaos.script import Script
from tests.chaos.workloads.workload import Workload

_CLIENTS = 3
"""For each entrance: while the site is away, business goes on."""
_SHARES = (0.6, 0.4)
_BACKLOG = 100
_Line: TypeAlias = "queue.Queue[Wanted | None]"
_Entrance: TypeAlias = Callable[[Wanted, Random], None]


class Load:
    """Threads that start runs until `stop`."""

    def __init__(self, *, script: Script, workloads: tuple[Workload, ...], book: Book, api: ApiClient) -> None:
        self._script = script
        self._workloads = workloads
        self._book = book
        self._api = api
        self._lines: list[_Line] = [queue.Queue(maxsize=_BACKLOG) for _ in self._entrances]
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._draw, name="load", daemon=True)]
        for line, entrance in zip(self._lines, self._entrances, strict=True):
            self._threads += [
                threading.Thread(target=self._serve, args=(line, entrance), name="client", daemon=True)
                for _ in range(_CLIENTS)
            ]

    def start(self) -> None:
        """This will begin to start runs."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """This will start no more runs, and return when every client has its answer or has given up."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _draw(self) -> None:
        dice = Random(f"{self._script.seed}/wanted")
        weights = [workload.weight for workload in self._workloads]
        began = time.monotonic()
        number = 0
        while not self._stopping.is_set():
            (workload,) = dice.choices(self._workloads, weights)
            for _ in range(workload.crowd):
                number += 1
                wanted = Wanted(number=number, workload=workload.name, value=workload.value(dice=dice, number=number))
                (line,) = dice.choices(self._lines, _SHARES)
                self._hand_over(wanted, line=self._lines[0] if workload.is_api_only else line)
            self._stopping.wait(dice.expovariate(self._script.rate_at(time.monotonic() - began)))
        for line in self._lines:
            for _ in range(_CLIENTS):
                line.put(None)

    @property
    def _entrances(self) -> tuple[_Entrance, ...]:
        return self._over_api, self._in_business

    def _hand_over(self, wanted: Wanted, *, line: _Line) -> None:
        try:
            line.put_nowait(wanted)
        except queue.Full:  # the site is away: nobody would wait in a longer line
            self._book.count(unanswered=1)

    def _serve(self, line: _Line, entrance: _Entrance) -> None:
        try:
            while (wanted := line.get()) is not None:
                entrance(wanted, Random(f"{self._script.seed}/{wanted.number}"))
        finally:
            connections.close_all()

    def _over_api(self, wanted: Wanted, dice: Random) -> None:
        self._api.start(wanted, dice=dice)

    def _in_business(self, wanted: Wanted, dice: Random) -> None:
        business.trade(wanted, dice=dice, book=self._book)
