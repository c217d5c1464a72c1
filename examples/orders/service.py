"""Answers for an outside system of the example: forms in, entries out, idempotent by key, bad by its seed."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from http import HTTPStatus
from typing import assert_never

from examples.orders.http_server import Json, Problem, Request, Response
from examples.orders.ledger import Entry, Ledger, OtherPayload, Posting
from examples.orders.misbehaviour import Fault, Misbehaviour
from examples.orders.money import AMOUNT, amount_of, cents_of

DOUBLE_AVOIDED = "double_avoided"
PAGE = 500

# A String of RFC 9651, as draft-ietf-httpapi-idempotency-key-header asks for; without escapes.
IDEMPOTENCY_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"')

REFERENCE = re.compile(r"[\w.:-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One kind of entry: its name (also its path), what its ids begin with, the state it ends in.

    `fields` are the required fields beside `order_id` and `amount`, each with what it must look like; `optional` are
    those that may be left out.
    """

    name: str
    id_prefix: str
    status: str
    fields: Mapping[str, re.Pattern[str]]
    optional: Mapping[str, re.Pattern[str]] = field(default_factory=dict)

    def posting(self, *, body: bytes, idempotency_key: str) -> Posting:
        """This will read a request's body. Raises Problem (400) that names the field that is wrong."""
        try:
            content = json.loads(body)
        except ValueError as e:
            raise _bad_request("the body must be a JSON object") from e
        patterns = {"order_id": REFERENCE, "amount": AMOUNT, **self.fields}
        if not isinstance(content, dict) or content.keys() - self.optional.keys() != patterns.keys():
            raise _bad_request(f"the body must be a JSON object of exactly {', '.join(patterns)}")
        patterns |= {name: pattern for name, pattern in self.optional.items() if name in content}
        for name, pattern in patterns.items():
            if not isinstance(content[name], str) or pattern.fullmatch(content[name]) is None:
                raise _bad_request(f"{name} must be a string that matches {pattern.pattern}")
        cents = cents_of(content["amount"])
        if cents == 0:
            raise _bad_request("amount must be more than 0.00")
        return Posting(
            kind=self.name,
            idempotency_key=idempotency_key,
            order_id=content["order_id"],
            amount_cents=cents,
            payload=content,
        )

    def presented(self, entry: Entry) -> dict[str, Json]:
        """This will give an entry as the answer shows it."""
        return {"id": f"{self.id_prefix}_{entry.id:06}", "status": self.status, **entry.payload}


class Service:
    """The outside system: a handler for `http_server.start`."""

    def __init__(self, *, forms: Sequence[Form], ledger: Ledger, misbehaviour: Misbehaviour) -> None:
        self._forms = {f"/{form.name}": form for form in forms}
        self._ledger = ledger
        self._misbehaviour = misbehaviour
        self._in_progress: set[str] = set()

    async def __call__(self, request: Request) -> Response:
        """This will answer one request. Raises Problem when it is wrong."""
        if request.path == "/report" and request.method == "GET":
            return Response(status=HTTPStatus.OK, content=self._report())
        form = self._forms.get(request.path)
        if form is None:
            known = ", ".join([*self._forms, "/report"])
            raise Problem(status=HTTPStatus.NOT_FOUND, detail=f"there is no {request.path}, only {known}")
        match request.method:
            case "POST":
                return await self._post(request, form=form)
            case "GET":
                return self._find(request, form=form)
            case "PUT" | "DELETE":
                return self._correct(request, form=form)
            case _:
                raise Problem(status=HTTPStatus.METHOD_NOT_ALLOWED, detail="use GET, POST, PUT or DELETE")

    async def _post(self, request: Request, *, form: Form) -> Response:
        idempotency_key = _idempotency_key(request)
        posting = form.posting(body=request.body, idempotency_key=idempotency_key)
        if idempotency_key in self._in_progress:
            raise Problem(status=HTTPStatus.CONFLICT, detail="a request with this Idempotency-Key is in progress")
        self._in_progress.add(idempotency_key)
        try:
            return await self._perform(posting, form=form)
        finally:
            self._in_progress.discard(idempotency_key)

    async def _perform(self, posting: Posting, *, form: Form) -> Response:
        entry: Entry | None = None
        with self._ledger.transaction():
            fault = self._choose_fault(posting)
            if fault is None or fault is Fault.DROPPED:
                entry = self._write(posting)
        if entry is None:
            match fault:
                case Fault.UNAVAILABLE:
                    raise Problem(status=HTTPStatus.SERVICE_UNAVAILABLE, detail="out of order for a moment")
                case Fault.THROTTLED:
                    return self._throttled()
                case Fault.SLOW:
                    await asyncio.sleep(self._misbehaviour.slow_s)
                    with self._ledger.transaction():
                        entry = self._write(posting)
                case None | Fault.DROPPED:
                    raise AssertionError("without a fault, or before a drop, the entry is written")
                case _:
                    assert_never(fault)
        return Response(
            status=HTTPStatus.CREATED,
            content=form.presented(entry),
            is_dropped=fault is Fault.DROPPED,
        )

    def _choose_fault(self, posting: Posting) -> Fault | None:
        """This will count the request and the fault it meets. Raises Problem (422) for another payload."""
        try:
            nth = self._ledger.note_request(idempotency_key=posting.idempotency_key, fingerprint=_fingerprint(posting))
        except OtherPayload as e:
            raise Problem(
                status=HTTPStatus.UNPROCESSABLE_ENTITY,
                detail="this Idempotency-Key belongs to a request with another payload; use a new key",
            ) from e
        fault = self._misbehaviour.fault_for(key=posting.idempotency_key, nth=nth)
        if fault is not None:
            self._ledger.tally(fault.value, amount_cents=posting.amount_cents)
        return fault

    def _write(self, posting: Posting) -> Entry:
        entry = self._ledger.post(posting, now=datetime.now(UTC).isoformat())
        if entry.is_repeat:  # without the key, this would have been done a second time
            self._ledger.tally(DOUBLE_AVOIDED, amount_cents=posting.amount_cents)
        return entry

    def _throttled(self) -> Response:
        problem = Problem(status=HTTPStatus.TOO_MANY_REQUESTS, detail="too many requests").response()
        headers = {**problem.headers, "Retry-After": str(self._misbehaviour.retry_after_s)}
        return Response(status=problem.status, content=problem.content, headers=headers)

    def _find(self, request: Request, *, form: Form) -> Response:
        order_id, after = request.query.get("order_id"), request.query.get("after", "0")
        if order_id:
            entries = self._ledger.entries_of_order(kind=form.name, order_id=order_id)
            content: Json = {form.name: [form.presented(entry) for entry in entries]}
            return Response(status=HTTPStatus.OK, content=content)
        if not after.isdecimal():
            raise _bad_request(f"ask for /{form.name}?order_id=... or, for all of them, /{form.name}?after=<next>")
        listed = self._ledger.entries_after(kind=form.name, after=int(after), limit=PAGE)
        following = str(listed[-1].id) if len(listed) == PAGE else None
        page: Json = {form.name: [form.presented(entry) for entry in listed], "next": following}
        return Response(status=HTTPStatus.OK, content=page)

    def _correct(self, request: Request, *, form: Form) -> Response:
        """PUT makes the entry of an order what the body says, DELETE takes it away; either may be repeated."""
        order_id = request.query.get("order_id")
        if not order_id:
            raise _bad_request(f"say which: /{form.name}?order_id=...")
        posting = None
        if request.method == "PUT":
            posting = form.posting(body=request.body, idempotency_key=_idempotency_key(request))
        with self._ledger.transaction():
            self._ledger.correct(kind=form.name, order_id=order_id, posting=posting)
        return Response(status=HTTPStatus.OK, content={"corrected": order_id})

    def _report(self) -> Json:
        tallies = self._ledger.tallies()
        avoided = tallies.pop(DOUBLE_AVOIDED, None)
        report: dict[str, Json] = {
            "requests": self._ledger.requests(),
            "faults": {name: tally.occurrences for name, tally in tallies.items()},
            "doubles_avoided": avoided.occurrences if avoided else 0,
            "doubles_avoided_total": amount_of(avoided.amount_cents if avoided else 0),
        }
        for form in self._forms.values():
            totals = self._ledger.totals(kind=form.name)
            report[form.name] = {
                "count": totals.occurrences,
                "total": amount_of(totals.amount_cents),
                "doubled_orders": self._ledger.doubled_orders(kind=form.name),
            }
        return report


def _idempotency_key(request: Request) -> str:
    header = request.headers.get("idempotency-key", "")
    match = IDEMPOTENCY_KEY.fullmatch(header)
    if match is None:
        raise _bad_request('send the header Idempotency-Key with a quoted string, such as "8e03978e-40d5"')
    return match[1]


def _fingerprint(posting: Posting) -> str:
    content = json.dumps([posting.kind, dict(posting.payload)], sort_keys=True)
    return blake2b(content.encode(), digest_size=16).hexdigest()


def _bad_request(detail: str) -> Problem:
    return Problem(status=HTTPStatus.BAD_REQUEST, detail=detail)
