"""Decides about one request: refused, answered at once, or to be kept; pure, the clock and the source are given."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from audit.redaction import MASK
from automation.intake.envelope import Envelope
from automation.verification.contract import Preset, Reason, Request, Unverified
from workflows.core import gcra

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Who may send, and how it is proven. `secrets` are values, the newest first: never show them.

    `rate` None: no limit.
    """

    name: str
    preset: Preset
    options: Mapping[str, Any]  # Any: JSON, checked when it was saved
    secrets: Sequence[str] = field(default=(), repr=False)
    rate: gcra.Rate | None = None
    max_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Not taken. `reason` is counted; `again_s` is when to try again."""

    status: int
    reason: str
    detail: str
    again_s: float | None = None

    @property
    def retry_after(self) -> int | None:
        """This will give whole seconds, as RFC 9110 wants them, 1 at least."""
        return None if self.again_s is None else max(1, math.ceil(self.again_s))


@dataclass(frozen=True, slots=True)
class Challenged:
    """Answered at once, nothing is kept."""

    answer: bytes


class Buckets:
    """How much of its rate each source has used, in this process; one instant per source."""

    def __init__(self) -> None:
        self._tats: dict[str, float] = {}

    def refused_for_s(self, source: Source, *, now: float) -> float | None:
        """This will take a place, or say for how many seconds there is none."""
        if source.rate is None:
            return None
        turn = gcra.take_turn(source.rate, tat=self._tats.get(source.name), now=now)
        if turn.delay_s > 0:
            return turn.delay_s
        self._tats[source.name] = turn.tat
        return None


def judge(
    source: Source, request: Request, *, buckets: Buckets, now: float, new_id: UUID
) -> Envelope | Challenged | Refusal:
    """This will decide about a request whose body was read; only what is believed uses up the source's rate."""
    try:
        verified = source.preset.verify(request, secrets=source.secrets, options=source.options, now=now)
    except Unverified as error:
        status = 503 if error.reason is Reason.NO_SECRET else 401
        return Refusal(
            status=status, reason=error.reason.value, detail=str(error), again_s=60.0 if status == 503 else None
        )
    answer = source.preset.challenge(request)
    if answer is not None:
        return Challenged(answer)
    wait_s = buckets.refused_for_s(source, now=now)
    if wait_s is not None:
        detail = f"the source {source.name} sends more than its rate allows"
        return Refusal(status=429, reason="rate", detail=detail, again_s=wait_s)
    return Envelope(
        id=new_id,
        source=source.name,
        received_at=now,
        body=request.body,
        headers=kept_headers(request.headers, also_secret=str(source.options.get("header", ""))),
        peer=request.peer,
        key=verified.key,
        signed_at=verified.signed_at,
    )


def too_large(source: Source, *, length: int) -> Refusal | None:
    """This will refuse a body that is larger than the source may send."""
    if length <= source.max_bytes:
        return None
    return Refusal(status=413, reason="size", detail=f"the body has more than {source.max_bytes} bytes")


def kept_headers(headers: Mapping[str, str], *, also_secret: str) -> Mapping[str, str]:
    """This will give the headers that are kept: what proves who the sender is has done its work and is masked."""
    secret = _SECRET_HEADERS | {also_secret.lower()}
    return {name: MASK if name in secret else value for name, value in headers.items()}
