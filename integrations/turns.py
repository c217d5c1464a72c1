"""Asks for a turn under a rate limit: in Redis, or in PostgreSQL while Redis is away; it never calls anybody."""

import hashlib
import time

from django.db import transaction

from integrations import rate as rule
from integrations.memory import memory
from integrations.models import RateBucket
from integrations.rate import Bucket, Rate

_known: dict[tuple[str, str], int] = {}
"""By memory and bucket: how often Redis had been lost when this process last asked there."""


def ask(*, name: str, rate: Rate, caller: str) -> float:
    """This will give 0.0 when `caller` may call now, else the seconds after which it comes back to its place.

    `name` is the bucket. A process that asks a memory for the first time since a loss takes the bucket for drained:
    what the other memory gave meanwhile is gone from it.
    """
    key = hashlib.sha256(name.encode()).hexdigest()[:32]
    losses = memory.losses
    keys = [f"rate:{key}:bucket", f"rate:{key}:places", "rate:born"]
    times = [rate.interval_us, rate.tolerance_us, rule.GUARD_US, rule.STALE_US]
    answer = memory.run("rate", keys=keys, args=[*times, caller, int(_is_drained("redis", key)), ""])
    if isinstance(answer, bytes):
        _known["redis", key] = losses
        return int(answer) / 1_000_000
    return _ask_postgres(key, rate=rate, caller=caller)


def _is_drained(where: str, key: str) -> bool:
    return _known.get((where, key), 0) != memory.losses


def _ask_postgres(key: str, *, rate: Rate, caller: str) -> float:
    """The same rule without a burst, in a row that is locked for the length of one statement."""
    even = Rate(limit=rate.limit, period_s=rate.period_s)
    with transaction.atomic():
        row, _is_new = RateBucket.objects.select_for_update().get_or_create(key=key)
        now = time.time_ns() // 1000
        bucket = Bucket(due_at=row.due_at, free_at=row.free_at, places=row.places)
        if _is_drained("postgres", key):
            bucket = rule.drained(bucket, rate=even, now=now)
        turn = rule.ask(bucket, rate=even, now=now, caller=caller)
        row.due_at, row.free_at, row.places = turn.bucket.due_at, turn.bucket.free_at, dict(turn.bucket.places)
        row.save(update_fields=["due_at", "free_at", "places"])
    _known["postgres", key] = memory.losses
    return turn.wait_us / 1_000_000
