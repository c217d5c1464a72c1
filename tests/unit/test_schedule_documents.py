"""Schedules in definitions: what they mean when they are right, and what is wrong when they are not."""

from datetime import UTC, datetime, timedelta

import pytest

from automation.schedule.preview import next_fires
from automation.schedule.rule import read_rule
from workflows.core.problems import Problem
from workflows.documents import parse_document
from workflows.dsl import Flow, Ref, expr
from workflows.dsl import workflow as declared
from workflows.validation import find_problems

HEAD = "name: test\nsteps: {only: {uses: set, with: {}}}\n"
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)


def problems_of(schedule: str, *, more: str = "") -> list[Problem]:
    """This will give what is wrong with a definition that has this schedule."""
    return find_problems(parse_document(f"{HEAD}{more}on: {{schedule: {schedule}}}\n").document, uses={})


@pytest.mark.parametrize(
    ("schedule", "path", "says"),
    [
        ('{cron: "0 8 * *"}', "$.on.schedule.cron", "has 4 fields"),
        ('{cron: "0 25 * * *"}', "$.on.schedule.cron", "hour"),
        ('{cron: "0 0 30 2 *"}', "$.on.schedule.cron", "day-of-month"),
        ('{cron: "0 8 * * MON", timezone: Europe/Berln}', "$.on.schedule.timezone", "no time zone 'Europe/Berln'"),
        ("{timezone: Europe/Berlin}", "$.on.schedule", "does not say when"),
        ("{every: 1h, at: 2026-01-01T08:00:00Z}", "$.on.schedule", "says when twice"),
        ("{every: 10ms}", "$.on.schedule.every", "at least one second"),
        ("{every: soon}", "$.on.schedule.every", "not a length of time"),
        ("{at: [2026-13-01]}", "$.on.schedule.at[0]", "month must be in 1..12"),
        ("{every: 1h, start: 2026-05-01, end: 2026-04-01}", "$.on.schedule.end", "ends before it starts"),
        ("{every: 1h, misfire: later}", "$.on.schedule.misfire", "not allowed here"),
        ("{every: 1h, overlap: skp}", "$.on.schedule.overlap", "not allowed here"),
        ("{every: 1h, every_day: 1}", "$.on.schedule.every_day", "no key 'every_day'"),
        ("{every: 1h, exclude: {dates: [2026-02-30]}}", "$.on.schedule.exclude", "is no date"),
        ('{every: 1h, input: "${{ schedul.date }}"}', "$.on.schedule.input", "schedul"),
        ("[{every: 1h, name: a}, {every: 2h, name: a}]", "$.on.schedule[1].name", "another schedule"),
        ("{solar: {event: sunrise, latitude: 91, longitude: 0}}", "$.on.schedule.solar.latitude", "91"),
    ],
)
def test_wrong_schedule_is_told_with_its_place(schedule: str, path: str, says: str) -> None:
    found = problems_of(schedule)

    assert [problem.path for problem in found] == [path]
    assert says in found[0].message


def test_input_that_the_workflow_would_refuse_is_refused_when_it_is_published() -> None:
    wanted = "input: {type: object, required: [day], properties: {day: {type: string}}}\n"

    assert [one.path for one in problems_of("{every: 1h, input: {day: 7}}", more=wanted)] == ["$.on.schedule.input.day"]
    assert problems_of('{every: 1h, input: {day: "${{ schedule.date }}"}}', more=wanted) == []


def test_hint_names_the_zone_that_was_meant() -> None:
    (problem,) = problems_of("{every: 1h, timezone: Europe/Berln}")

    assert problem.hint == "did you mean 'Europe/Berlin'?"


def test_typed_python_gives_the_same_document() -> None:
    @declared(
        name="nightly",
        on={"schedule": {"cron": "0 2 * * *", "timezone": "Europe/Berlin", "input": {"day": expr("schedule.date")}}},
    )
    def nightly(flow: Flow, _input: Ref) -> None:
        flow.set("only", {})

    written = parse_document(
        'name: nightly\non: {schedule: {cron: "0 2 * * *", timezone: Europe/Berlin, '
        'input: {day: "${{ schedule.date }}"}}}\nsteps: {only: {uses: set, with: {}}}\n'
    )
    assert nightly.document == written.document
    assert find_problems(nightly.document, uses={}) == []


def test_preview_marks_what_is_skipped_and_what_the_clock_does() -> None:
    rule = read_rule(
        {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "exclude": {"dates": ["2026-03-30"]}},
        anchor=NOON,
    )

    jump, off, after = next_fires(rule, after=datetime(2026, 3, 28, 12, tzinfo=UTC), count=3)

    assert (f"{jump.local_at:%H:%M}", jump.note) == ("03:00", "the clock jumps forward to this time")
    assert (off.skipped_by, after.skipped_by) == ("exclude", "")


def test_sun_rises_where_it_rises() -> None:
    rule = read_rule({"solar": {"event": "sunrise", "latitude": 52.52, "longitude": 13.405}}, anchor=NOON)

    first, second = (one.due_at for one in next_fires(rule, after=NOON, count=2))

    assert abs(first - datetime(2026, 6, 2, 2, 47, tzinfo=UTC)) < timedelta(minutes=3)  # 04:47 in Berlin
    assert timedelta(hours=23, minutes=55) < second - first < timedelta(hours=24, minutes=5)


def test_day_without_sunrise_is_passed_over() -> None:
    rule = read_rule({"solar": {"event": "sunrise", "latitude": 69.65, "longitude": 18.96}}, anchor=NOON)

    (first,) = next_fires(rule, after=datetime(2026, 12, 1, tzinfo=UTC), count=1)

    assert datetime(2027, 1, 10, tzinfo=UTC) < first.due_at < datetime(2027, 1, 20, tzinfo=UTC)
