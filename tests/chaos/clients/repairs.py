"""A client that opens the gates of stubborn runs and brings their dead letters back, again and again."""

import threading

from django.db import Error, connection, connections

from tests.chaos.book import Book
from tests.chaos.clients.api import ApiClient
from tests.chaos.workloads.workload import Scene
from workflows import queries
from workflows.core.states import DeadLetterState

_EVERY_S = 0.5
_AT_ONCE = 20


class Repairs:
    """A thread that requeues the open dead letters of `workloads` until `stop`."""

    def __init__(self, *, workloads: tuple[str, ...], scene: Scene, api: ApiClient, book: Book) -> None:
        self._workloads = workloads
        self._scene = scene
        self._api = api
        self._book = book
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="repairs", daemon=True)

    def start(self) -> None:
        """This will begin."""
        self._thread.start()

    def stop(self) -> None:
        """This will end it."""
        self._stopping.set()
        self._thread.join()

    def _work(self) -> None:
        try:
            while not self._stopping.wait(_EVERY_S):
                for workload in self._workloads:
                    self._requeue(workload)
        finally:
            connections.close_all()

    def _requeue(self, workload: str) -> None:
        try:
            letters = queries.newest_dead_letters(state=DeadLetterState.OPEN, workflow=workload, limit=_AT_ONCE)
            for letter_id, run_id in list(letters.values_list("id", "run_id")):
                self._scene.gate(run_id).touch()
                self._api.requeue(letter_id)
        except Error:  # the database is away
            connection.close()
