"""Senders of webhooks: each sends a request again, with the same id, until it is acknowledged, as vendors do."""

import hashlib
import hmac
import itertools
import json
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException
from random import Random

from django.utils import timezone

from audit.events import Actor
from automation.inbound.sources import SourceWanted, save_source
from tests.chaos.arrivals import Hook
from tests.chaos.book import Book
from tests.chaos.workloads.hooks import EVENT, SOURCE

SECRET_NAME, SECRET = "CHAOS_HOOK_SECRET", "a-secret-of-the-attack"
ENVIRONMENT = {SECRET_NAME: SECRET, "INTAKE_REFRESH_S": "0.5"}
_SENDERS = 2
_EVERY_S = 0.4
_PAUSE_S = 0.3
_TIMEOUT_S = 6.0
_REPEATS = 0.2
_ACKNOWLEDGED = 202
_AWAY = (404, 503)
"""The sources have not been read yet; nobody takes it now."""


def connect(*, actor: Actor) -> None:
    """This will make the address to which they send."""
    wanted = SourceWanted(name=SOURCE, preset="github", secrets=(f"env:{SECRET_NAME}",), rate_per_s=0)
    save_source(wanted, actor=actor, now=timezone.now())


def delivery_id(number: int) -> str:
    """This will be the id of a webhook."""
    return f"chaos-{number}"


class Senders:
    """Threads that send until `stop`; what is not acknowledged by then may have arrived or not."""

    def __init__(self, *, port: int, seed: int, book: Book) -> None:
        self._url = f"http://127.0.0.1:{port}/hooks/{SOURCE}"
        self._seed = seed
        self._book = book
        self._numbers = itertools.count(1)
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, args=(place,), name="sender", daemon=True) for place in range(_SENDERS)
        ]

    def start(self) -> None:
        """This will begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """This will end it."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self, place: int) -> None:
        dice = Random(f"{self._seed}/sender/{place}")
        while not self._stopping.wait(dice.uniform(0.0, 2 * _EVERY_S)):
            number = next(self._numbers)
            if self._deliver(number) and dice.random() < _REPEATS:
                self._book.count(repeats=1)
                self._send(number)

    def _deliver(self, number: int) -> bool:
        while not self._stopping.is_set():
            status = self._send(number)
            if status == _ACKNOWLEDGED:
                self._book.receive(Hook(number=number, at=datetime.now(UTC)))
                return True
            if status is not None and status not in _AWAY:
                self._book.surprise(f"webhook {number} was answered with {status}")
                return False
            self._stopping.wait(_PAUSE_S)
        self._book.count(unanswered=1)
        return False

    def _send(self, number: int) -> int | None:
        self._book.count(requests=1)
        body = json.dumps({"number": number}).encode()
        signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/json",
            "X-GitHub-Event": EVENT,
            "X-GitHub-Delivery": delivery_id(number),
            "X-Hub-Signature-256": f"sha256={signature}",
        }
        try:
            request = urllib.request.Request(self._url, data=body, headers=headers)
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except (OSError, HTTPException):
            return None
