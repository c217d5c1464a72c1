"""The load: draws what is wanted at the rate of the script and hands it to clients; it waits for no run."""

import queue
import threading
import time
from random import Random

from django.db import connections

from tests.chaos.book import Book, Wanted
from tests.chaos.clients import business
from tests.chaos.clients.api import ApiClient
from tests.chaos.script import Script
from tests.chaos.workloads.workload import Workload

_CLIENTS = 4
_API_SHARE = 0.6
_BACKLOG = 200


class Load:
    """Threads that start runs until `stop`."""

    def __init__(self, *, script: Script, workloads: tuple[Workload, ...], book: Book, api: ApiClient) -> None:
        self._script = script
        self._workloads = workloads
        self._book = book
        self._api = api
        self._wanted: queue.Queue[Wanted | None] = queue.Queue(maxsize=_BACKLOG)
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._draw, name="load", daemon=True)]
        self._threads += [threading.Thread(target=self._serve, name=f"client{n}", daemon=True) for n in range(_CLIENTS)]

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
            number += 1
            wanted = Wanted(number=number, workload=workload.name, value=workload.value(dice=dice, number=number))
            self._hand_over(wanted)
            self._stopping.wait(dice.expovariate(self._script.rate_at(time.monotonic() - began)))
        for _ in range(_CLIENTS):
            self._wanted.put(None)

    def _hand_over(self, wanted: Wanted) -> None:
        try:
            self._wanted.put_nowait(wanted)
        except queue.Full:  # the site is away: nobody would wait in a longer line
            self._book.count(unanswered=1)

    def _serve(self) -> None:
        try:
            while (wanted := self._wanted.get()) is not None:
                dice = Random(f"{self._script.seed}/{wanted.number}")
                self._take(wanted, dice=dice)
        finally:
            connections.close_all()

    def _take(self, wanted: Wanted, *, dice: Random) -> None:
        if dice.random() < _API_SHARE:
            self._api.start(wanted, dice=dice)
        else:
            business.trade(wanted, dice=dice, book=self._book)
