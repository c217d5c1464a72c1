"""Where the timeline puts what happened, and what a run is said to wait for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from workflows.admin import bars, waits
from workflows.core.definition import Definition, StepDefinition
from workflows.core.plan import compile_plan
from workflows.core.states import WaitReason
from workflows.models import Attempt, Run
from workflows.timeline import Published, StepStory, Story, Text, Wait

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
STEP = StepDefinition(id="charge", uses="set")


def at(seconds: float) -> datetime:
    """This will be a moment of the run."""
    return BEGIN + timedelta(seconds=seconds)


def attempt(start: float, end: float, *, delay_s: float | None) -> Attempt:
    """This will be an attempt without success."""
    return Attempt(
        step="charge",
        attempt=1,
        kind="unavailable",
        message="503",
        started_at=at(start),
        ended_at=at(end),
        delay_s=delay_s,
    )


def wait(reason: WaitReason, *, is_running: bool = False, slot: int = 0) -> Wait:
    """This will be something the step waits for, since its start and for ten seconds more than the run has run."""
    return Wait(
        step="charge",
        slot=slot,
        reason=reason,
        object="payments",
        is_running=is_running,
        lane="io",
        owner="worker-1",
        attempt=2,
        due_at=at(20),
        since=at(0),
        dispatches=1,
    )


def story(*, failures: list[Attempt], waits_for: list[Wait], ended_at: datetime | None = None) -> Story:
    """This will be a run of one step that began at once."""
    step = StepStory(
        definition=STEP,
        state="retrying" if ended_at is None else "succeeded",
        started_at=at(0),
        latest_at=at(5),
        ended_at=ended_at,
        attempts=1,
        output=Text(None),
        error=None,
        failures=failures,
        waits=waits_for,
        items=None,
    )
    plan = compile_plan(Definition(name="test", steps=(STEP,)))
    run = Run(id=UUID(int=1), created_at=BEGIN, ended_at=ended_at)
    return Story(
        run=run,
        version=Published(1, 1, plan),
        input=Text(None),
        output=Text(None),
        steps=[step],
        waits=waits_for,
        item_failures=[],
        dead_letters=[],
    )


def test_axis_shows_attempts_pauses_and_the_end_of_a_step() -> None:
    told = story(failures=[attempt(0, 2, delay_s=3)], waits_for=[], ended_at=at(10))

    (row,) = bars.axis_of(told, now=at(99)).rows

    assert [(bar.kind, bar.x, bar.width) for bar in row.bars] == [
        ("pause", "20.000%", "30.000%"),
        ("attempt", "0.000%", "20.000%"),
        ("succeeded", "50.000%", "50.000%"),
    ]
    assert row.length == "10.0 s"


def test_axis_of_a_running_run_ends_now_and_draws_each_pause_once() -> None:
    told = story(failures=[attempt(0, 2, delay_s=30)], waits_for=[wait(WaitReason.RETRY)])

    axis = bars.axis_of(told, now=at(10))

    assert [(bar.kind, bar.width) for bar in axis.rows[0].bars] == [("pause", "80.000%"), ("attempt", "20.000%")]
    assert [tick.label for tick in axis.ticks] == ["0 ms", "2.0 s", "4.0 s", "6.0 s", "8.0 s", "10.0 s"]


def test_axis_keeps_bars_within_the_track_and_wide_enough_to_be_seen() -> None:
    told = story(failures=[attempt(1000, 1000, delay_s=None)], waits_for=[], ended_at=at(1000))

    (_, end) = bars.axis_of(replace(told, steps=[replace(told.steps[0], ended_at=None), *told.steps]), now=at(0)).rows

    assert [(bar.x, bar.width) for bar in end.bars] == [("99.600%", "0.400%")]


def test_sentences_say_what_a_step_waits_for() -> None:
    failures = [attempt(0, 2, delay_s=18)]
    said = {
        reason: waits.sentences(story(failures=failures, waits_for=[wait(reason)]), now=at(10))[0].text
        for reason in WaitReason
    }

    assert said[WaitReason.WORKER] == "waits for a worker of lane io since 10.0 s; announced once"
    assert said[WaitReason.RUNNING].startswith("attempt 2 is at work for 10.0 s on worker-1; its lease ends in 10.0 s")
    assert said[WaitReason.RETRY] == "attempt 2 begins in 10.0 s, because attempt 1 was unavailable: 503"
    assert said[WaitReason.ITEMS] == "waits for items whose next attempt begins in 10.0 s"
    assert said[WaitReason.LIMIT] == "waits for a slot of the limit payments; asks again in 10.0 s"
    assert said[WaitReason.RATE] == "held back by the rate limit of payments; asks again in 10.0 s"
    assert said[WaitReason.BREAKER].startswith("held back because the circuit breaker of payments is open")


def test_sentences_tell_the_pullers_of_a_for_each_as_one() -> None:
    pullers = [wait(WaitReason.RUNNING, is_running=True), wait(WaitReason.ITEMS, slot=1)]

    (sentence,) = waits.sentences(story(failures=[], waits_for=pullers), now=at(10))

    assert sentence.text == "1 of 2 pullers at work"
