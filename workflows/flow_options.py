"""The words with which typed Python says when runs begin, what holds for all of a run, and what waits.

They are the keys of the definition document.
"""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from workflows.core.references import Ref

__all__ = [
    "Batch",
    "Cancel",
    "Concurrency",
    "Deadline",
    "Debounce",
    "Defaults",
    "EventWanted",
    "Fairness",
    "Length",
    "On",
    "RateLimit",
    "RepeatUntil",
    "Retry",
    "Schedule",
    "Singleton",
    "Throttle",
    "Timeout",
    "Told",
]

Length: TypeAlias = str | int | float
Key: TypeAlias = Any  # Any: text, or a Ref to what the rule counts by


class _EventNamed(TypedDict):
    type: Key
    key: Key


class EventWanted(_EventNamed, total=False):
    """The event a step waits for; `match` is a condition that looks at `event`."""

    source: Key
    match: Key


class _Limit(TypedDict):
    limit: int


class _Keyed(TypedDict, total=False):
    key: Key


class Concurrency(_Limit, _Keyed, total=False):
    """At most `limit` runs of a key at the same time."""

    overflow: Literal["queue", "reject", "cancel_oldest", "cancel_newest"]


class Singleton(_Keyed, total=False):
    """One run of a key at a time."""

    mode: Literal["skip", "queue", "cancel"]


class RateLimit(_Limit, _Keyed):
    """Starts of a key beyond `limit` in a `period` are refused."""

    period: Length


class Throttle(RateLimit, total=False):
    """Runs of a key begin evenly spaced, `limit` in each `period`, up to `burst` at once."""

    burst: int


class _Quiet(_Keyed):
    period: Length


class Debounce(_Quiet, total=False):
    """The latest of several starts wins, after a `period` without another one."""

    timeout: Length


class Batch(_Keyed):
    """`size` starts, or those within `timeout`, make one run."""

    size: int
    timeout: Length


class Changes(TypedDict, total=False):
    """What becomes of wall times that a change of the clock leaves out, or shows twice."""

    gap: Literal["skip", "after"]
    overlap: Literal["once", "both"]


class DaysOff(TypedDict, total=False):
    """Days on which nothing is due; a range is {"from": ..., "to": ...}."""

    dates: list[str]
    ranges: list[dict[str, str]]
    weekdays: list[Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]]


class Solar(TypedDict):
    """An event of the sun at a place."""

    event: str
    latitude: float
    longitude: float


class Schedule(TypedDict, total=False):
    """When runs start: one of `cron`, `every`, `at` and `solar`, and what then matters."""

    name: str
    cron: str
    every: Length
    at: str | list[str]
    solar: Solar
    timezone: str
    dst: Changes
    misfire: Literal["skip", "latest", "all"]
    window: Length
    overlap: Literal["skip", "buffer_one", "buffer_all", "cancel_other", "allow"]
    jitter: Length
    calendars: list[str]
    exclude: DaysOff
    pause_after: int
    start: str
    end: str
    priority: int
    input: Any  # Any: JSON in which any value may be a Ref


class _Webhook(TypedDict):
    source: str
    event: str


class Webhook(_Webhook, total=False):
    """A webhook that starts runs: of a source, of a type."""

    match: str
    input: Any  # Any: JSON in which any value may be a Ref


class _OfType(TypedDict):
    type: str


class Heard(_OfType, total=False):
    """An event that starts runs."""

    source: str
    match: str
    input: Any  # Any: JSON in which any value may be a Ref


class _Expected(_OfType):
    within: Length


class Expected(_Expected, total=False):
    """An event that must come: a run starts when none does."""

    source: str
    input: Any  # Any: JSON in which any value may be a Ref


class On(TypedDict, total=False):
    """What starts runs by itself."""

    schedule: Schedule | list[Schedule]
    webhook: Webhook | list[Webhook]
    event: Heard | list[Heard]
    event_missing: Expected | list[Expected]


class Retry(TypedDict, total=False):
    """How often and when a failed attempt is repeated; see the definition format."""

    attempts: int
    first: Length
    factor: float
    cap: Length
    jitter: Literal["none", "full", "equal", "decorrelated"]
    budget: Length | None
    on: list[str]


class Cancel(TypedDict, total=False):
    """What a cancel of a run does; see the definition format."""

    grace: Length
    undo: bool


class Timeout(TypedDict, total=False):
    """The times of a step, apart; see the definition format."""

    start_to_close: Length
    schedule_to_start: Length
    schedule_to_close: Length
    heartbeat: Length


class Told(TypedDict):
    """Somebody who is told, by a channel of notifications."""

    channel: str
    recipient: str


class Deadline(TypedDict, total=False):
    """When a run is late, and what happens then; see the definition format."""

    after: Length
    median: float
    of: int
    at_least: int
    min: Length
    action: Literal["fail", "cancel", "notify"]
    notify: Sequence[Told]


class Defaults(TypedDict, total=False):
    """Values for every step that does not say otherwise."""

    queue: str
    retry: Retry
    timeout: Length | Timeout


class Fairness(TypedDict, total=False):
    """Whose share of the lanes a run uses; see the definition format."""

    key: Key
    weight: float


class RepeatUntil(TypedDict, total=False):
    """A step in rounds, until `condition` over `output` holds; see the definition format."""

    condition: Ref | str
    every: Length
    times: int
    factor: float
    cap: Length
