"""What a definition says about when its runs may begin, as frozen values; it decides nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from workflows.core.durations import parse_duration
from workflows.core.gcra import Rate

_Checked = Mapping[str, Any]  # Any: the schema has checked what stands where
SECTIONS = ("rate_limit", "batch", "debounce", "singleton", "throttle", "concurrency")
"""The keys of a definition that control flow, in the order in which they are applied."""


class GateKind(IntEnum):
    """What a start may have to pass, in the order it does; the order is also that in which gates are locked."""

    RATE_LIMIT = 1
    BATCH = 2
    DEBOUNCE = 3
    SINGLETON = 4
    THROTTLE = 5
    CONCURRENCY = 6

    @property
    def word(self) -> str:
        """This will give the key of the definition."""
        return self.name.lower()


class Overflow(StrEnum):
    """What becomes of a start that finds every slot of its key taken."""

    QUEUE = "queue"
    REJECT = "reject"
    CANCEL_OLDEST = "cancel_oldest"
    CANCEL_NEWEST = "cancel_newest"
    SKIP = "skip"
    """Only as the mode of a singleton: the run that is there stands for the new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRule:
    """At most `limit` runs of a key at the same time; a singleton is one with the limit 1."""

    key: str = ""
    limit: int = 1
    overflow: Overflow = Overflow.QUEUE


@dataclass(frozen=True, slots=True, kw_only=True)
class RateRule:
    """How many starts of a key there may be in a time."""

    rate: Rate
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Debounce:
    """The latest start of a key wins: its run begins after `period_s` of quiet, or `timeout_s` after the first."""

    period_s: float
    timeout_s: float | None = None
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`size` starts of a key make one run, or as many as came within `timeout_s` of the first."""

    size: int
    timeout_s: float
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowControl:
    """All that a definition says about when its runs may begin."""

    rate_limit: RateRule | None = None
    batch: Batch | None = None
    debounce: Debounce | None = None
    singleton: SlotRule | None = None
    throttle: RateRule | None = None
    concurrency: tuple[SlotRule, ...] = ()

    @property
    def gathers(self) -> bool:
        """This will tell whether several starts may become one run."""
        return self.batch is not None or self.debounce is not None


def restore_flow_control(document: Mapping[str, Any]) -> FlowControl | None:
    """This will build the flow control of a document that has been checked; None: runs begin at once."""
    if not any(section in document for section in SECTIONS):
        return None
    rate_limit, throttle = document.get("rate_limit"), document.get("throttle")
    batch, debounce, singleton = document.get("batch"), document.get("debounce"), document.get("singleton")
    return FlowControl(
        rate_limit=None if rate_limit is None else _rate_rule(rate_limit, burst=int(rate_limit["limit"])),
        batch=None if batch is None else _batch(batch),
        debounce=None if debounce is None else _debounce(debounce),
        singleton=None if singleton is None else _singleton(singleton),
        throttle=None if throttle is None else _rate_rule(throttle, burst=int(throttle.get("burst", 1))),
        concurrency=tuple(_slot_rule(rule) for rule in rules_of(document.get("concurrency"))),
    )


def rules_of(value: object) -> list[_Checked]:
    """This will give the rules of `concurrency` as a list, whether it was written as one rule, a list, or not."""
    rules = value if isinstance(value, list) else [value]
    return [rule for rule in rules if isinstance(rule, Mapping)]


def _rate_rule(rule: _Checked, *, burst: int) -> RateRule:
    rate = Rate(limit=int(rule["limit"]), period_s=parse_duration(rule["period"]), burst=burst)
    return RateRule(rate=rate, key=rule.get("key", ""))


def _batch(batch: _Checked) -> Batch:
    return Batch(size=int(batch["size"]), timeout_s=parse_duration(batch["timeout"]), key=batch.get("key", ""))


def _debounce(debounce: _Checked) -> Debounce:
    timeout = debounce.get("timeout")
    return Debounce(
        period_s=parse_duration(debounce["period"]),
        timeout_s=None if timeout is None else parse_duration(timeout),
        key=debounce.get("key", ""),
    )


def _singleton(singleton: _Checked) -> SlotRule:
    mode = singleton.get("mode", "skip")
    overflow = Overflow.CANCEL_OLDEST if mode == "cancel" else Overflow(mode)
    return SlotRule(key=singleton.get("key", ""), limit=1, overflow=overflow)


def _slot_rule(rule: _Checked) -> SlotRule:
    return SlotRule(
        key=rule.get("key", ""),
        limit=int(rule["limit"]),
        overflow=Overflow(rule.get("overflow", Overflow.QUEUE)),
    )
