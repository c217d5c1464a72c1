"""Reads the setting FAIRNESS_WEIGHTS: which fairness keys get more or less than their equal share."""

from collections.abc import Mapping

_KEY_BYTES = 64
_LEAST, _MOST = 0.001, 1000.0


def parse(text: str) -> Mapping[str, float]:
    """This will give the weight of each key. Raises ValueError saying what is wrong.

    >>> parse("acme:3, trial:0.5"), parse("")
    ({'acme': 3.0, 'trial': 0.5}, {})
    """
    weights: dict[str, float] = {}
    for part in text.split(",") if text.strip() else ():
        key, _, weight = part.strip().rpartition(":")
        if not key or len(key.encode()) > _KEY_BYTES:
            raise ValueError(f"{part.strip()!r} must be key:weight, the key at most {_KEY_BYTES} bytes long.")
        weights[key] = _weight(weight, key=key)
    return weights


def _weight(text: str, *, key: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = 0.0
    if not _LEAST <= weight <= _MOST:
        raise ValueError(f"The weight {text!r} of key {key!r} must be a number from {_LEAST:g} to {_MOST:g}.")
    return weight
