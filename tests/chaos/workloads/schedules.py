"""Schedules: due every few seconds, with all that may be said about runs that overlap and times that were missed."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from tests.chaos.arrivals import Times
from tests.chaos.workloads.workload import Scene, Workload, mark
from workflows.core.definition import JsonValue

_MISSED_S = 430.0
_FIRST_S = 1.0


class Scheduled(Workload):
    """Started by its schedule alone. `busy_s` is how long its run takes, `began_s` how long ago it was first due."""

    weight = 0
    period_s = 1.0
    overlap = "allow"
    misfire = "all"
    busy_s = 0.0
    began_s = -_FIRST_S

    def steps(self, scene: Scene) -> Mapping[str, object]:
        steps = {"work": mark(scene, "${{ input.due_at }}", seconds=0.01)}
        if not self.busy_s:
            return {**steps, "after": mark(scene, "${{ steps.work.output }}", needs="work")}
        pause = {"needs": "work", "uses": "wait", "with": {"for": f"{self.busy_s}s"}}
        return {**steps, "pause": pause, "after": mark(scene, "${{ steps.work.output }}", needs=["work", "pause"])}

    def output(self) -> object:
        return {"due_at": "${{ steps.after.output }}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"due_at": value["due_at"]}

    def times(self, *, now: datetime, seconds: float) -> Times:
        """This will say when it is due in an attack that begins now and lasts so long."""
        starts_at, ends_at = now - timedelta(seconds=self.began_s), now + timedelta(seconds=seconds)
        return Times(starts_at=starts_at, period_s=self.period_s, ends_at=ends_at)

    def rule(self, times: Times) -> dict[str, JsonValue]:
        """This will be the document of its schedule."""
        return {
            "every": f"{self.period_s:g}s",
            "start": times.starts_at.isoformat(),
            "end": times.ends_at.isoformat(),
            "overlap": self.overlap,
            "misfire": self.misfire,
            "input": {"due_at": "${{ schedule.due_at }}"},
        }


class EverySecond(Scheduled):
    """Every second, whatever runs already."""

    name = "chaos-every-second"


class Skipping(Scheduled):
    """Nothing is started while the run before is under way."""

    name = "chaos-skipping"
    period_s = 3.0
    overlap = "skip"
    busy_s = 1.0
    beside = 1


class BufferingAll(Scheduled):
    """Every due time waits for the runs before it."""

    name = "chaos-buffering-all"
    period_s = 5.0
    overlap = "buffer_all"
    busy_s = 0.5
    beside = 1


class BufferingOne(Scheduled):
    """One due time may wait for the run before it."""

    name = "chaos-buffering-one"
    period_s = 4.0
    overlap = "buffer_one"
    busy_s = 1.5
    beside = 1


class CancellingOther(Scheduled):
    """The run before is cancelled."""

    name = "chaos-cancelling-other"
    period_s = 4.0
    overlap = "cancel_other"
    busy_s = 3.5
    makes_way = True


class MissedAll(Scheduled):
    """Was due while nobody looked, and makes up for all of it."""

    name = "chaos-missed-all"
    period_s = 90.0
    began_s = _MISSED_S


class MissedLatest(MissedAll):
    """Was due while nobody looked, and makes up for the latest time, if no other is due by then."""

    name = "chaos-missed-latest"
    misfire = "latest"


class MissedSkipped(MissedAll):
    """Was due while nobody looked, and lets it be."""

    name = "chaos-missed-skipped"
    misfire = "skip"


SCHEDULED: tuple[Scheduled, ...] = (
    EverySecond(),
    Skipping(),
    BufferingAll(),
    BufferingOne(),
    CancellingOther(),
    MissedAll(),
    MissedLatest(),
    MissedSkipped(),
)
