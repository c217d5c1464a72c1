"""How long steps take, learned by this process: only what is surely short may share a commit with others."""

from workflows.core import switching
from workflows.execution.cursor import Cursor

_QUICK_S = 0.002
_ENOUGH = 3
_MAX_KNOWN = 10_000
_known: dict[tuple[int, str], tuple[int, float]] = {}


def is_quick(cursor: Cursor) -> bool:
    """This will tell whether the current step has proved to take almost no time; calls outside never count."""
    if cursor.step.uses in ("set", switching.USES):
        return True
    if cursor.step.uses != "python":
        return False
    seen, mean_s = _known.get(_key(cursor), (0, 0.0))
    return seen >= _ENOUGH and mean_s < _QUICK_S


def learn(cursor: Cursor, *, seconds: float) -> None:
    """This will take a measured duration into account; recent ones weigh more, one long one weighs at once."""
    if len(_known) > _MAX_KNOWN:
        _known.clear()
    seen, mean_s = _known.get(_key(cursor), (0, 0.0))
    weight = 0.5 if seconds > mean_s else 0.1
    _known[_key(cursor)] = (seen + 1, mean_s + (seconds - mean_s) * weight)


def _key(cursor: Cursor) -> tuple[int, str]:
    return cursor.claim.version_id, cursor.step.id
