"""The people who are asked: each looks into the own inbox again and again, and answers what is there over the API."""

import threading

from django.contrib.auth.models import Group, User

from tests.chaos.clients.api import ApiClient
from tests.chaos.workloads.approvals import GROUP, PEOPLE, will_of

_EVERY_S = 0.4


def settle_in() -> None:
    """This will make the people and their group."""
    group, _ = Group.objects.get_or_create(name=GROUP)
    for name in PEOPLE:
        User.objects.get_or_create(username=name)[0].groups.add(group)


class People:
    """A thread for each person, until `stop`."""

    def __init__(self, *, api: ApiClient) -> None:
        self._api = api
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._live, args=(name,), name=name, daemon=True) for name in PEOPLE]

    def start(self) -> None:
        """This will begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """This will end it."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _live(self, name: str) -> None:
        while not self._stopping.wait(_EVERY_S):
            for request_id in self._api.inbox(name):
                self._answer(name, request_id=request_id)

    def _answer(self, name: str, *, request_id: int) -> None:
        shown = self._api.shown(request_id)
        if shown is not None:
            decision = will_of(name, number=int(str(shown["number"])), verdict=str(shown["verdict"]))
            if decision is not None:
                self._api.decide(request_id, person=name, decision=decision)
