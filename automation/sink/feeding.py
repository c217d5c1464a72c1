"""Feeds a sink from the trail: what has changed is read anew and handed on, at least once, by one process at a time.

The trail says what has changed, the rows say what it is now. The cursor moves only behind what was taken.
"""

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import F, Q
from django.utils import timezone

from audit import queries as audit
from audit.events import EventKind
from automation.models import SinkCursor
from automation.sink.documents import INCIDENT_FIELDS, LETTER_FIELDS, Document, documents
from automation.sink.opensearch import OpenSearchSink, Refusal, SinkAway
from workflows import incident_queries

log = structlog.get_logger(__name__)
NAME = "opensearch"
_LETTER_KINDS = (EventKind.DEAD_LETTER_CREATED, EventKind.DEAD_LETTER_REQUEUED, EventKind.DEAD_LETTER_DISCARDED)
_INCIDENT_KINDS = tuple(kind for kind in EventKind if kind.startswith("incident."))
_PAGE = 1_000
_LEASE = timedelta(seconds=120)
_LONGEST_PAUSE_S = 60.0
_REMEMBERED = 20_000


class Sink(Protocol):
    """Whoever takes documents."""

    def put(self, documents: Sequence[Document], *, version: int) -> Sequence[Refusal]:
        """This will take documents and give those that are refused for good. Raises SinkAway."""


class Feeder:
    """One process that feeds a sink, whenever nobody else does. It remembers what it has handed on lately."""

    def __init__(self, sink: Sink, *, name: str = NAME, prefix: str = "automation") -> None:
        self._sink = sink
        self.name = name
        self._prefix = prefix
        self._owner = f"{os.getpid()}-{secrets.token_hex(6)}"
        self._handed_on: dict[tuple[str, str], bytes] = {}

    def feed(self, *, now: datetime) -> int | None:
        """This will hand on what has changed; gives how many documents, None when another process does it.

        Raises SinkAway: what was not taken is handed on again.
        """
        cursor = self._claim(now=now)
        if cursor is None:
            return None
        settled_at, seen_at, version = audit.earliest_open_at(), audit.database_now(), audit.latest_id()
        is_settled = cursor.seen_at is not None and cursor.seen_at < settled_at
        delivered = 0
        for page in self._pages(after_id=cursor.after_id):
            delivered += self._hand_on(page.documents, version=version)
            if is_settled:
                self._note(after_id=min(page.last_id, cursor.seen_id))
        if is_settled:
            self._note(after_id=cursor.seen_id)
        if is_settled or cursor.seen_at is None:
            self._note(seen_id=version, seen_at=seen_at)
        return delivered

    def _claim(self, *, now: datetime) -> SinkCursor | None:
        SinkCursor.objects.bulk_create([SinkCursor(name=self.name)], ignore_conflicts=True)
        free = Q(owner=self._owner) | Q(leased_until__isnull=True) | Q(leased_until__lte=now)
        taken = SinkCursor.objects.filter(free, name=self.name).update(owner=self._owner, leased_until=now + _LEASE)
        return SinkCursor.objects.get(name=self.name) if taken else None

    def _pages(self, *, after_id: int) -> Iterator["_Page"]:
        while changes := audit.changes(kinds=(*_LETTER_KINDS, *_INCIDENT_KINDS), after_id=after_id, limit=_PAGE):
            letters = {int(str(one.payload["dead_letter"])) for one in changes if one.kind in _LETTER_KINDS}
            incidents = {one.subject_id for one in changes if one.kind in _INCIDENT_KINDS}
            incidents |= {str(one.payload["incident"]) for one in changes if one.payload.get("incident")}
            after_id = changes[-1].id
            yield _Page(
                after_id,
                documents(
                    letters=incident_queries.letters(ids=letters, fields=LETTER_FIELDS),
                    incidents=incident_queries.by_fingerprint(found=incidents, fields=INCIDENT_FIELDS),
                    prefix=self._prefix,
                ),
            )

    def _hand_on(self, page: Sequence[Document], *, version: int) -> int:
        fresh = [one for one in page if self._handed_on.get((one.index, one.id)) != one.digest]
        if not fresh:
            return 0
        refusals = self._sink.put(fresh, version=version)
        for refusal in refusals:
            log.error("document_refused", **asdict(refusal))
        if len(self._handed_on) > _REMEMBERED:
            self._handed_on.clear()
        self._handed_on.update({(one.index, one.id): one.digest for one in fresh})
        taken = len(fresh) - len(refusals)
        self._note(delivered=F("delivered") + taken, refused=F("refused") + len(refusals))
        return taken

    def _note(self, **changes: object) -> None:
        """Whoever has lost the lease meanwhile changes nothing: the other one has it all before itself."""
        SinkCursor.objects.filter(name=self.name, owner=self._owner).update(**changes)


class _Page(NamedTuple):
    last_id: int
    documents: Sequence[Document]


class Standing(NamedTuple):
    """How a sink stands: for how long it has not been fed, and how many documents it refused, ever."""

    behind_s: float
    refused: int


def find_standing(*, now: datetime) -> Standing | None:
    """This will say how OpenSearch stands; None where none is wanted."""
    if not settings.OPENSEARCH_URL:
        return None
    cursor = SinkCursor.objects.filter(name=NAME).first()
    if cursor is None or cursor.seen_at is None:
        return Standing(behind_s=0.0, refused=0)
    return Standing(behind_s=max(0.0, (now - cursor.seen_at).total_seconds()), refused=cursor.refused)


def run(*, wait: Callable[[float], bool]) -> None:
    """This will feed OpenSearch until `wait` (of seconds) says that the process ends; idle without OPENSEARCH_URL."""
    if not settings.OPENSEARCH_URL:
        while not wait(_LONGEST_PAUSE_S):
            pass
        return
    sink = OpenSearchSink(settings.OPENSEARCH_URL, timeout_s=settings.OPENSEARCH_TIMEOUT_S)
    feeder = Feeder(sink, prefix=settings.OPENSEARCH_PREFIX)
    pause_s = settings.OPENSEARCH_EVERY_S
    while not wait(pause_s):
        try:
            feeder.feed(now=timezone.now())
            pause_s = settings.OPENSEARCH_EVERY_S
        except SinkAway as error:
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            log.warning("opensearch_away", why=str(error), again_in_s=pause_s)
        except DatabaseError:
            log.warning("database_away", exc_info=True)
            connection.close()
        except Exception:
            log.exception("opensearch_not_fed")
    sink.close()
    connection.close()
