"""Names that never change: run ids ordered by time, idempotency keys fixed by what they stand for; pure."""

import uuid


def run_id(*, unix_ms: int, random_bytes: bytes) -> uuid.UUID:
    """This will make a UUID version 7 from milliseconds since 1970 and 10 random bytes (RFC 9562, 5.7).

    >>> run_id(unix_ms=0x017F22E279B0, random_bytes=bytes(10))
    UUID('017f22e2-79b0-7000-8000-000000000000')
    """
    value = (unix_ms & (1 << 48) - 1) << 80 | int.from_bytes(random_bytes[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def idempotency_key(
    *, run: uuid.UUID, step: str, index: int | None, round_number: int | None = None, is_undo: bool = False
) -> str:
    """This will give the key of a step's effect, or of its undo: fixed when the run begins, the same in every attempt.

    Each round of a `repeat_until` is an effect of its own.

    >>> idempotency_key(run=uuid.UUID(int=1), step="charge", index=None)
    '5e48b0c6-07c5-5c9c-9dc9-c77e592c4037'
    """
    place = step if index is None else f"{step}[{index}]"
    name = place if round_number is None else f"{place}#{round_number}"
    return str(uuid.uuid5(run, f"{name}:undo" if is_undo else name))
