"""What a row of the benchmark came to: figures, floor, ratio, target; it measures nothing itself."""

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AtMost:
    """The target of a time or a size: at most so many times its floor."""

    factor: float

    def is_met(self, ratio: float) -> bool:
        """This will tell whether a ratio reaches the target."""
        return ratio <= self.factor

    def __str__(self) -> str:
        return f"<= {self.factor:g}"


@dataclass(frozen=True, slots=True)
class AtLeast:
    """The target of a rate: at least so many times its floor."""

    factor: float

    def is_met(self, ratio: float) -> bool:
        """This will tell whether a ratio reaches the target."""
        return ratio >= self.factor

    def __str__(self) -> str:
        return f">= {self.factor:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One line of the report. `n` is the size of one round, `busy` what share of the machine others had before."""

    workload: str
    unit: str
    value: float
    floor: float
    target: AtMost | AtLeast
    n: int
    rounds: int
    busy: float = 0.0

    @property
    def ratio(self) -> float:
        """This will be the value in terms of its floor."""
        return self.value / self.floor

    @property
    def is_met(self) -> bool:
        """This will tell whether the target is reached."""
        return self.target.is_met(self.ratio)

    def document(self) -> Mapping[str, object]:
        """This will be the JSON object of this row."""
        return {
            "workload": self.workload,
            "value": significant(self.value),
            "unit": self.unit,
            "floor": significant(self.floor),
            "ratio": significant(self.ratio),
            "target": str(self.target),
            "met": self.is_met,
            "n": self.n,
            "rounds": self.rounds,
        }


@dataclass(frozen=True, slots=True)
class Rounds:
    """What each round measured, ours and the floor side by side."""

    ours: Sequence[float]
    floor: Sequence[float]

    @property
    def medians(self) -> tuple[float, float]:
        """This will be the median of our rounds and of the floor's."""
        return statistics.median(self.ours), statistics.median(self.floor)


def interleave(*, ours: Callable[[], float], floor: Callable[[], float], rounds: int) -> Rounds:
    """This will measure in turn: what disturbs the machine for a while disturbs both."""
    pairs = [(ours(), floor()) for _ in range(rounds)]
    return Rounds(ours=[pair[0] for pair in pairs], floor=[pair[1] for pair in pairs])


def percentile(samples: Iterable[float], *, percent: float) -> float:
    """This will give the nearest-rank percentile. Raises ValueError without samples.

    >>> percentile(range(1, 101), percent=99), percentile([3, 1, 2], percent=50)
    (99, 2)
    """
    ordered = sorted(samples)
    if not ordered:
        raise ValueError("a percentile needs at least one sample")
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def significant(value: float, *, digits: int = 4) -> float:
    """This will round to so many digits that count.

    >>> significant(1234.567), significant(0.00123456)
    (1235.0, 0.001235)
    """
    return float(f"{value:.{digits}g}")


def table(results: Sequence[Result]) -> str:
    """This will set the results as a table for people, the ratio first."""
    header = ("workload", "ratio", "target", "met", "ours", "floor", "unit", "n", "rounds", "others")
    lines = [header, *(_cells(result) for result in results)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def _cells(result: Result) -> tuple[str, ...]:
    return (
        result.workload,
        f"{result.ratio:.2f}",
        str(result.target),
        "yes" if result.is_met else "NO",
        f"{significant(result.value):g}",
        f"{significant(result.floor):g}",
        result.unit,
        str(result.n),
        str(result.rounds),
        f"{result.busy:.0%}",
    )
