"""The words with which typed Python says when runs may begin; they are the keys of the definition document."""

from typing import Any, Literal, TypeAlias, TypedDict

__all__ = ["Batch", "Concurrency", "Debounce", "Length", "RateLimit", "Singleton", "Throttle"]

Length: TypeAlias = str | int | float
Key: TypeAlias = Any  # Any: text, or a Ref to what the rule counts by


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
