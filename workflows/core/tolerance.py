"""How many items of a `for_each` may fail before it stops, and what its list of results looks like; pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FAIL_FAST = "fail_fast"
COLLECT = "collect"
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)%")


class ThresholdInvalid(ValueError):
    """A threshold that is neither a number of items nor a share of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """At most `count` items or `share` per cent of them may fail (both None: any number); one more stops the rest.

    `is_marked`: the results say of each item whether it succeeded; else there are only outputs.
    """

    count: int | None = None
    share: float | None = None
    is_marked: bool = True

    @property
    def may_stop(self) -> bool:
        """This will tell whether failures can end the step before all items were tried."""
        return self.count is not None or self.share is not None

    def allows(self, *, failed: int, total: int) -> bool:
        """This will tell whether the step goes on, or has succeeded, with so many failed items.

        >>> ten = Tolerance(share=10.0)
        >>> ten.allows(failed=3, total=30), ten.allows(failed=4, total=30)
        (True, False)
        """
        if self.count is not None:
            return failed <= self.count
        return self.share is None or failed * 100 <= self.share * total


def parse_tolerance(value: Any) -> Tolerance:  # Any: JSON of a document
    """This will read the `on_failure` of a definition. Raises ThresholdInvalid.

    >>> parse_tolerance("fail_fast").count, parse_tolerance({"threshold": "12.5%"}).share
    (0, 12.5)
    """
    if value == FAIL_FAST:
        return Tolerance(count=0, is_marked=False)
    if value == COLLECT:
        return Tolerance()
    threshold = value["threshold"]
    if isinstance(threshold, int):
        return Tolerance(count=threshold)
    match = _SHARE.fullmatch(threshold)
    if match is None or float(match[1]) > 100:
        raise ThresholdInvalid(f"{threshold!r} is no share: write a number of items, or 0% to 100%")
    return Tolerance(share=float(match[1]))


def marked(results: Iterable[tuple[str, Any, Any]]) -> list[Mapping[str, Any]]:  # Any: JSON
    """This will give the results of items from their states, outputs and errors, in their order.

    >>> marked([("succeeded", 7, None), ("failed", None, {"kind": "refused", "message": "no"})])
    [{'ok': True, 'output': 7}, {'ok': False, 'error': {'kind': 'refused', 'message': 'no'}}]
    """
    return [
        {"ok": True, "output": output} if state == "succeeded" else {"ok": False, "error": error}
        for state, output, error in results
    ]
