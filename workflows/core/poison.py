"""What a message that no worker could take tells about itself; it never does I/O and trusts nothing in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Death:
    """Why and from which queue the broker set a message aside."""

    queue: str
    reason: str


def death_of(headers: Mapping[str, object]) -> Death:
    """This will read the latest entry of RabbitMQ's header `x-death`.

    >>> death_of({"x-death": [{"queue": "io", "reason": "delivery_limit", "count": 1}]})
    Death(queue='io', reason='delivery_limit')
    >>> death_of({})
    Death(queue='', reason='unknown')
    """
    entries = headers.get("x-death")
    latest = entries[0] if isinstance(entries, Sequence) and entries else None
    if not isinstance(latest, Mapping):
        return Death("", _UNKNOWN)
    return Death(str(latest.get("queue", "")), str(latest.get("reason", _UNKNOWN)))


def refs_of(body: bytes) -> list[list[str | int]]:
    """This will give the activations a wake-up names, as [run, segment, slot]; none where it is no wake-up.

    The form is that of Celery's protocol 2: [args, kwargs, embed].

    >>> refs_of(b'[[], {"refs": [["de305d54-75b4-431b-adb2-eb6b9e546014", 0, 2]]}, {}]')
    [['de305d54-75b4-431b-adb2-eb6b9e546014', 0, 2]]
    >>> refs_of(b"not JSON")
    []
    """
    try:
        message = orjson.loads(body)
        found = [_ref(ref) for ref in message[1]["refs"]]
    except (ValueError, TypeError, LookupError):
        return []
    return found


def _ref(ref: Sequence[object]) -> list[str | int]:
    run, segment, slot = ref
    return [str(UUID(str(run))), int(str(segment)), int(str(slot))]
