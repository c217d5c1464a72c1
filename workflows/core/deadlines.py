"""The deadline of a run: a length, or so many times what its workflow usually takes, and what it brings about; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from workflows.core.durations import parse_duration


class DeadlineAction(StrEnum):
    """What happens to a run whose deadline passes. NOTIFY: somebody is told once, and it goes on."""

    FAIL = "fail"
    CANCEL = "cancel"
    NOTIFY = "notify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who is told, and by which channel of notifications."""

    channel: str
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineRule:
    """Either `after_s`, or from history: `factor` times the median of the `of` latest runs that have succeeded, at
    least `min_s`, and none at all until there are `at_least` of them.
    """

    action: DeadlineAction = DeadlineAction.FAIL
    after_s: float | None = None
    factor: float = 1.0
    of: int = 20
    at_least: int = 5
    min_s: float = 0.0
    told: tuple[Recipient, ...] = ()

    @property
    def ends_run(self) -> bool:
        """This will tell whether nothing of the run goes on when it passes."""
        return self.action is not DeadlineAction.NOTIFY

    def length_s(self, history_s: Sequence[float]) -> float | None:
        """This will give the time a run has, from how long the latest ones took; None: there is too little history.

        >>> DeadlineRule(factor=3, at_least=2).length_s([10.0, 30.0, 20.0]), DeadlineRule(at_least=2).length_s([10.0])
        (60.0, None)
        """
        if self.after_s is not None:
            return self.after_s
        counted = history_s[: self.of]
        if len(counted) < self.at_least:
            return None
        return max(self.factor * median(counted), self.min_s)


def parse_deadline(value: Any) -> DeadlineRule | None:  # Any: JSON of a document
    """This will read the `deadline` of a definition. Raises DurationInvalid.

    >>> parse_deadline("2h").after_s, parse_deadline({"median": 3, "action": "cancel"}).factor
    (7200.0, 3.0)
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        return DeadlineRule(after_s=parse_duration(value))
    standard = DeadlineRule()
    return DeadlineRule(
        action=DeadlineAction(value.get("action", standard.action)),
        after_s=parse_duration(value["after"]) if "after" in value else None,
        factor=float(value.get("median", standard.factor)),
        of=int(value.get("of", standard.of)),
        at_least=int(value.get("at_least", standard.at_least)),
        min_s=parse_duration(value.get("min", standard.min_s)),
        told=tuple(Recipient(channel=one["channel"], recipient=one["recipient"]) for one in value.get("notify", ())),
    )
