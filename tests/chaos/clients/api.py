"""A client of the API that repeats a request until it is answered, as the documentation asks; it trusts no silence."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from random import Random
from urllib.parse import urlencode
from uuid import UUID

from tests.chaos.book import Book, Wanted
from tests.chaos.workloads import BY_NAME

_TIMEOUT_S = 4.0
_PAUSE_S = 0.3
_PATIENCE_S = 25.0
_REPEATS = 0.15
_INBOX = 50
_REFUSALS = (":concurrency-reached", ":start-rate-limited")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API said."""

    status: int
    body: Mapping[str, object]


class ApiClient:
    """One caller with a token. `is_over` tells when nobody should wait any longer."""

    def __init__(self, *, port: int, token: str, book: Book, is_over: Callable[[], bool]) -> None:
        self._base = f"http://127.0.0.1:{port}/api/v1"
        self._token = token
        self._book = book
        self._is_over = is_over

    def start(self, wanted: Wanted, *, dice: Random) -> None:
        """This will start a run, sometimes ask for the same once more, and sometimes cancel it."""
        key = f"chaos-{wanted.number}"
        run_id = self._start_once(wanted, key=key)
        if run_id is None:
            return
        if dice.random() < _REPEATS:
            self._book.count(repeats=1)
            self._start_once(wanted, key=key)
        workload = BY_NAME[wanted.workload]
        if dice.random() < workload.cancels:
            time.sleep(dice.uniform(0.0, workload.cancels_within_s))
            self._cancel(run_id)

    def requeue(self, letter_id: int) -> None:
        """This will bring a dead letter back; somebody else, or this very request before, may have done it."""
        answer = self._ask(f"/dead-letters/{letter_id}/requeue", body={})
        if answer is not None and answer.status == 200:
            self._book.count(requeued=1)
        elif answer is not None and answer.status != 409:
            self._book.surprise(f"requeue of dead letter {letter_id}: {answer}")

    def inbox(self, person: str) -> Sequence[int]:
        """This will give the ids of what a person is asked and has not answered."""
        answer = self._ask(f"/approvals?{urlencode({'waiting_for': person, 'limit': _INBOX})}")
        rows = answer.body["results"] if answer is not None and answer.status == 200 else []
        assert isinstance(rows, list)
        return [row["id"] for row in rows]

    def shown(self, request_id: int) -> Mapping[str, object] | None:
        """This will give what somebody sees who is asked; None: there was no answer."""
        answer = self._ask(f"/approvals/{request_id}")
        shown = answer.body.get("show") if answer is not None else None
        return shown if isinstance(shown, Mapping) else None

    def decide(self, request_id: int, *, person: str, decision: str) -> None:
        """This will bring the answer of a person, sometimes twice; somebody else, or the clock, may have been first."""
        for _ in range(1 if Random(f"{person}/{request_id}").random() > _REPEATS else 2):
            answer = self._ask(f"/approvals/{request_id}/decide", body={"as_user": person, "decision": decision})
            if answer is not None and answer.status == 200:
                self._book.answered(request_id, person=person, decision=decision)
            elif answer is not None and answer.status != 409:
                self._book.surprise(f"{decision} of request {request_id} by {person}: {answer}")

    def _start_once(self, wanted: Wanted, *, key: str) -> UUID | None:
        body = {"workflow": wanted.workload, "input": wanted.value}
        workload, sent_at = BY_NAME[wanted.workload], time.monotonic()
        answer = self._ask("/runs", body=body, headers={"Idempotency-Key": f'"{key}"'})
        if answer is None:
            return None
        if workload.refuses and str(answer.body.get("type", "")).endswith(_REFUSALS):
            self._book.count(refused=1)
            return None
        if answer.status not in (200, 201):
            self._book.surprise(f"start of {wanted.workload} {key}: {answer}")
            return None
        run_id = UUID(str(answer.body["id"]))
        if workload.is_shared:
            self._book.join(run_id, wanted=wanted, key=key, sent_at=sent_at, answered_at=time.monotonic())
        else:
            self._book.acknowledge(run_id, wanted=wanted, key=key)
        return run_id

    def _cancel(self, run_id: UUID) -> None:
        self._book.want_cancelled(run_id)
        answer = self._ask(f"/runs/{run_id}/cancel", body={"reason": "chaos"})
        if answer is not None and answer.status == 200:
            self._book.cancel(run_id)
        elif answer is not None and answer.status != 409:
            self._book.surprise(f"cancel of {run_id}: {answer}")

    def _ask(
        self, path: str, *, body: Mapping[str, object] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer | None:
        """Ask until there is an answer that is not a plea to come again; None: there was none in time."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and not self._is_over():
            self._book.count(requests=1)
            answer = self._send(path, body=body, headers=headers or {})
            if answer is not None and answer.status < 500 and not _is_busy(answer):
                return answer
            time.sleep(_PAUSE_S)
        self._book.count(unanswered=1)
        return None

    def _send(self, path: str, *, body: Mapping[str, object] | None, headers: Mapping[str, str]) -> Answer | None:
        request = urllib.request.Request(
            self._base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                return Answer(response.status, json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, _json(error.read()))
        except (OSError, HTTPException, ValueError):
            return None


def _is_busy(answer: Answer) -> bool:
    return answer.status == 409 and str(answer.body.get("type", "")).endswith("start-under-way")


def _json(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {"text": body[:300].decode(errors="replace")}
    return found if isinstance(found, dict) else {"text": found}
