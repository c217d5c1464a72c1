"""Reads what the audit trail says about the campaign; it sees events alone, never the engine's tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from audit.events import EventKind
from examples.orders.proof import MAX_EXAMPLES, Figure

_STEP_ENDS = frozenset(
    {
        EventKind.STEP_SUCCEEDED,
        EventKind.STEP_FAILED,
        EventKind.STEP_SKIPPED,
        EventKind.STEP_UPSTREAM_FAILED,
    }
)
_RUN_ENDS = frozenset({EventKind.RUN_SUCCEEDED, EventKind.RUN_FAILED, EventKind.RUN_CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEvent:
    """One event of a run. `is_genuine` tells whether its digest fits what it says."""

    kind: str
    run_id: str
    payload: Mapping[str, object]
    is_genuine: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What the events add up to.

    `retries` counts attempts that were followed by another one, by the kind of failure; `recovered` counts
    steps whose worker was lost and that succeeded all the same.
    """

    events: int
    changed: int
    runs: Mapping[str, int]
    ends_by_step: Mapping[tuple[str, str], int]
    retries: Mapping[str, int]
    recovered: int

    def figures(self, *, runs: int, steps: int) -> list[Figure]:
        """This will compare the trail with the number of runs and of steps that there must be."""
        repeated = [key for key, times in sorted(self.ends_by_step.items()) if times > 1]
        once = len(self.ends_by_step) - len(repeated)
        return [
            Figure(name="runs succeeded", expected=f"{runs:,}", found=f"{self._succeeded:,}"),
            Figure(
                name="steps ended once, by the audit trail",
                expected=f"{steps:,}",
                found=f"{once:,}",
                examples=_steps(repeated),
            ),
            Figure(name="audit events changed", expected="0", found=f"{self.changed:,}"),
        ]

    @property
    def _succeeded(self) -> int:
        return self.runs.get(EventKind.RUN_SUCCEEDED, 0)


def read(events: Iterable[TrailEvent]) -> Trail:
    """This will add up the events of a campaign, in the order in which they happened."""
    total = changed = 0
    runs: Counter[str] = Counter()
    ends: Counter[tuple[str, str]] = Counter()
    retries: Counter[str] = Counter()
    lost: set[tuple[str, str]] = set()
    recovered: set[tuple[str, str]] = set()
    for event in events:
        total += 1
        changed += not event.is_genuine
        step = (event.run_id, str(event.payload.get("step")))
        if event.kind in _STEP_ENDS:
            ends[step] += 1
            if event.kind == EventKind.STEP_SUCCEEDED and step in lost:
                recovered.add(step)
        elif event.kind in _RUN_ENDS:
            runs[event.kind] += 1
        elif event.kind == EventKind.STEP_RETRYING:
            retries[str(event.payload.get("failure"))] += 1
        elif event.kind == EventKind.STEP_LOST:
            retries["lost"] += 1
            lost.add(step)
    return Trail(
        events=total,
        changed=changed,
        runs=runs,
        ends_by_step=ends,
        retries=retries,
        recovered=len(recovered),
    )


def _steps(keys: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{run_id}/{step} ended more than once" for run_id, step in keys[:MAX_EXAMPLES])
