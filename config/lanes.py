"""Reads the setting LANES: which queues there are, most urgent first, and their weights; it knows no broker."""

import re
from collections.abc import Mapping

DEFAULT = "default"
"""The lane of a step that names none; it must exist."""

STANDARD = f"critical:8,{DEFAULT}:4,bulk:1,io:2"

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_RESERVED = frozenset({"dead", "celery"})
_WEIGHTS = range(1, 1001)


def parse(text: str) -> Mapping[str, int]:
    """This will give the weight of each lane, in the order of urgency. Raises ValueError saying what is wrong.

    >>> parse("critical:8, default:4,nightly")
    {'critical': 8, 'default': 4, 'nightly': 1}
    """
    lanes: dict[str, int] = {}
    for part in text.split(","):
        name, _, weight = part.strip().partition(":")
        if not _NAME.fullmatch(name) or name in _RESERVED:
            raise ValueError(f"{name!r} cannot be a lane: write a lower-case letter, then a-z, 0-9, _ or -, up to 40.")
        if name in lanes:
            raise ValueError(f"The lane {name!r} is there twice.")
        lanes[name] = _weight(weight or "1", lane=name)
    if DEFAULT not in lanes:
        raise ValueError(f"The lane {DEFAULT!r} is missing: steps that name no queue run there.")
    return lanes


def of(environment: Mapping[str, str]) -> Mapping[str, int]:
    """This will read the lanes of a process with this environment. Raises as `parse` does."""
    return parse(environment.get("LANES", STANDARD))


def _weight(text: str, *, lane: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) not in _WEIGHTS:
        raise ValueError(f"The weight {text!r} of lane {lane!r} must be a whole number from 1 to {_WEIGHTS.stop - 1}.")
    return int(text)


LANES = tuple(parse(STANDARD))
"""The lanes of a platform that was not told others."""
