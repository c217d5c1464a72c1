"""Laws of webhooks: each that was acknowledged is one event and one run, however often it was sent."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.arrivals import Hook
from tests.chaos.evidence import Evidence
from tests.chaos.laws.law import Breach
from tests.chaos.workloads.hooks import Hooked


def webhooks_lost(evidence: Evidence) -> Iterator[Breach]:
    """This will find acknowledged webhooks without their event or their run, and events without a run (law 5)."""
    begun = _runs(evidence)
    rows = {row.number: row for row in evidence.hooks}
    with_the_broker = set(_unread_when_wiped(evidence))
    for hook in evidence.book.hooks:
        if hook in with_the_broker:
            continue
        row = rows.get(hook.number)
        if row is None or not row.events:
            kept = "its request is kept" if row is not None else "there is no request of it"
            yield Breach(None, f"webhook {hook.number} was acknowledged at {hook.at:%H:%M:%S.%f}: no event; {kept}")
    for row in rows.values():
        if row.events and not begun[row.number]:
            yield Breach(None, f"webhook {row.number} is an event, and has no run")


def webhooks_doubled(evidence: Evidence) -> Iterator[Breach]:
    """This will find webhooks with several events or runs, and runs that no webhook began (law 4)."""
    events = {row.number: row.events for row in evidence.hooks}
    for number, count in events.items():
        if count > 1:
            yield Breach(None, f"webhook {number} is {count} events")
    for number, count in _runs(evidence).items():
        if count > 1 or not events.get(number):
            yield Breach(None, f"webhook {number} has {count} runs and {events.get(number, 0)} events")


def webhooks_lost_with_the_broker(evidence: Evidence) -> Iterator[Breach]:
    """This will find acknowledged webhooks that lay in the broker's queue alone when all its data were lost (law 5).

    They are a law of their own, for their cause is known: PostgreSQL was away when they came.
    """
    for hook in _unread_when_wiped(evidence):
        yield Breach(None, f"webhook {hook.number} was acknowledged at {hook.at:%H:%M:%S.%f}, and lost with the broker")


def _unread_when_wiped(evidence: Evidence) -> Sequence[Hook]:
    known = {row.number for row in evidence.hooks}
    wiped_at = max(evidence.wiped_at, default=None)
    return [hook for hook in evidence.book.hooks if hook.number not in known and wiped_at and hook.at <= wiped_at]


def _runs(evidence: Evidence) -> Counter[int]:
    found: Counter[int] = Counter()
    for run in evidence.runs_of.get(Hooked.name, ()):
        number = run.input.get("number") if isinstance(run.input, Mapping) else None
        found[int(str(number))] += 1
    return found
