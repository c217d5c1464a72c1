"""Places the steps of a run on a time axis, in percent of its length; pure, it reads no clock."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workflows.templatetags.workflow_display import span, words
from workflows.timeline import StepStory, Story

_TICKS = 5
_LEAST_WIDTH = 0.4


@dataclass(frozen=True, slots=True)
class Bar:
    """One stretch of a row; `x` and `width` are percentages as SVG takes them."""

    kind: str
    x: str
    width: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """A step with its stretches, earliest first."""

    step: str
    state: str
    length: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the axis with the time since the run began."""

    x: str
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis of a run with a row for each step that has begun."""

    ticks: Sequence[Tick]
    rows: Sequence[Row]


class _Scale:
    def __init__(self, *, start: datetime, end: datetime) -> None:
        self.start = start
        self.end = max(end, start + timedelta(milliseconds=1))
        self.seconds = (self.end - start).total_seconds()

    def bar(self, kind: str, start: datetime, end: datetime, title: str) -> Bar:
        left = self._percent(start)
        width = max(self._percent(end) - left, _LEAST_WIDTH)
        left = min(left, 100 - width)
        return Bar(kind, f"{left:.3f}%", f"{width:.3f}%", title)

    def _percent(self, moment: datetime) -> float:
        share = (moment - self.start).total_seconds() / self.seconds
        return 100 * min(max(share, 0.0), 1.0)


def axis_of(story: Story, *, now: datetime) -> Axis:
    """This will lay out a run from its start to its end, or to `now` while it runs."""
    scale = _Scale(start=story.run.created_at, end=story.run.ended_at or now)
    ticks = [Tick(f"{100 * index / _TICKS:.0f}%", span(scale.seconds * index / _TICKS)) for index in range(_TICKS + 1)]
    rows = [_row(step, scale=scale) for step in story.steps if step.started_at or step.failures or step.waits]
    return Axis(ticks, rows)


def _row(step: StepStory, *, scale: _Scale) -> Row:
    bars = list(_bars(step, scale=scale))
    starts = [step.started_at, *(attempt.started_at for attempt in step.failures)]
    begun = min((start for start in starts if start is not None), default=None)
    length = "" if begun is None else span(((step.ended_at or scale.end) - begun).total_seconds())
    return Row(step.id, step.state, length, bars)


def _bars(step: StepStory, *, scale: _Scale) -> Iterator[Bar]:
    for attempt in step.failures:
        start = attempt.started_at or attempt.ended_at
        title = f"attempt {attempt.attempt}: {words(attempt.kind)} after {_length(start, attempt.ended_at)}"
        if attempt.delay_s is not None:
            pause_end = attempt.ended_at + timedelta(seconds=attempt.delay_s)
            yield scale.bar("pause", attempt.ended_at, pause_end, f"waited {span(attempt.delay_s)}")
        yield scale.bar("attempt", start, attempt.ended_at, title)
    is_told = any(attempt.ended_at == step.ended_at for attempt in step.failures)
    begin = step.latest_at if step.items is None else step.started_at
    if step.ended_at is not None and begin is not None and not is_told:
        title = f"{words(step.state)} after {_length(begin, step.ended_at)}"
        yield scale.bar(step.state, begin, step.ended_at, title)
    for wait in step.waits[:1]:
        kind = "running" if wait.is_running else "pause"
        begin = wait.since if wait.is_running else max(wait.since, _pauses_end(step))
        if begin < scale.end:
            yield scale.bar(kind, begin, scale.end, f"{words(step.state)} since {_length(wait.since, scale.end)}")


def _pauses_end(step: StepStory) -> datetime:
    """The pauses that are drawn with the attempts end here: the waiting after them is drawn from here on."""
    ends = [attempt.ended_at + timedelta(seconds=attempt.delay_s or 0.0) for attempt in step.failures]
    return max(ends, default=datetime.min.replace(tzinfo=UTC))


def _length(start: datetime, end: datetime) -> str:
    return span((end - start).total_seconds())
