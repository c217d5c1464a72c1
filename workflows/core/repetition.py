"""Steps that are repeated until a condition holds: how often, and with which pauses; pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.core.durations import MAX_S, parse_duration

KIND = "repeat"
"""The `kind` of the attempt row of a round whose condition did not hold."""

_HUGE = 60.0  # e^60 times any pause is longer than every cap, and a float still


@dataclass(frozen=True, slots=True, kw_only=True)
class Repetition:
    """At most `times` rounds, and after the n-th a pause of `every_s` x `factor` ^ (n - 1), at most `cap_s`.

    `condition` is a CEL source over the step's `output`.
    """

    condition: str
    every_s: float
    times: int
    factor: float = 1.0
    cap_s: float = MAX_S

    def delay_s(self, *, done: int) -> float:
        """This will give the pause after so many rounds, at least one.

        >>> slower = Repetition(condition="output", every_s=10.0, times=9, factor=2.0, cap_s=60.0)
        >>> [slower.delay_s(done=done) for done in (1, 2, 3, 4, 500)]
        [10.0, 20.0, 40.0, 60.0, 60.0]
        """
        if (done - 1) * math.log(self.factor) > _HUGE:
            return self.cap_s
        return min(self.every_s * self.factor ** (done - 1), self.cap_s)


def parse_repetition(value: Mapping[str, Any], *, condition: str) -> Repetition:  # Any: JSON that has been checked
    """This will read the `repeat_until` of a definition."""
    return Repetition(
        condition=condition,
        every_s=parse_duration(value["every"]),
        times=int(value["times"]),
        factor=float(value.get("factor", 1.0)),
        cap_s=parse_duration(value.get("cap", MAX_S)),
    )
