"""What is wrong with what a schedule says, beyond its shape; every problem has its JSON path and a hint."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from automation.schedule.cron import CronInvalid, check
from automation.schedule.exclusions import read_days_off
from automation.schedule.rule import TIMINGS, read_instant
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, nearest, path_to
from workflows.core.storable import holds_nul

WRITABLE = tuple(name for name in TIMINGS if name != "crontab")
SHORTEST_EVERY_S = 1.0
_Document = Mapping[str, Any]  # Any: whatever somebody wrote


def schedule_problems(document: _Document, *, at: str) -> Iterator[Problem]:
    """This will give everything that is wrong with one schedule's document."""
    yield from _choice_problems(document, at=at)
    zone, found = _zone(document, at=at)
    yield from found
    yield from _length_problems(document, at=at)
    yield from _cron_problems(document, at=at)
    yield from _instant_problems(document, at=at, zone=zone)
    if isinstance(document.get("exclude"), Mapping):
        yield from _told(lambda: read_days_off(document["exclude"]), at=path_to(at, "exclude"))


def _choice_problems(document: _Document, *, at: str) -> Iterator[Problem]:
    named = [name for name in WRITABLE if name in document]
    if len(named) == 1:
        return
    wanted = "write exactly one of `cron`, `every`, `at` and `solar`"
    yield Problem(at, "it does not say when" if not named else f"it says when twice: {', '.join(named)}", wanted)


def _zone(document: _Document, *, at: str) -> tuple[ZoneInfo, list[Problem]]:
    name = document.get("timezone", "UTC")
    if isinstance(name, str) and name in available_timezones():
        return ZoneInfo(name), []
    near = nearest(str(name), available_timezones())
    hint = f"did you mean {near!r}?" if near else "write a name such as Europe/Berlin"
    return ZoneInfo("UTC"), [Problem(path_to(at, "timezone"), f"there is no time zone {name!r}", hint)]


def _length_problems(document: _Document, *, at: str) -> Iterator[Problem]:
    for key in ("every", "jitter", "window"):
        if key not in document:
            continue
        try:
            seconds = parse_duration(document[key])
        except DurationInvalid as error:
            yield Problem(path_to(at, key), str(error))
            continue
        if key == "every" and seconds < SHORTEST_EVERY_S:
            yield Problem(path_to(at, key), "an interval must be at least one second", "write for example 15m")


def _cron_problems(document: _Document, *, at: str) -> Iterator[Problem]:
    expression = document.get("cron")
    if not isinstance(expression, str) or holds_nul(expression.encode()):
        return
    try:
        check(expression)
    except CronInvalid as error:
        yield Problem(path_to(at, "cron"), str(error), "write for example 0 8 * * MON: at 08:00 on Mondays")


def _instant_problems(document: _Document, *, at: str, zone: ZoneInfo) -> Iterator[Problem]:
    found: dict[str, datetime] = {}
    for key in ("start", "end"):
        if isinstance(document.get(key), str):
            yield from _told(partial(_keep, found, key, document[key], zone), at=path_to(at, key))
    if len(found) == 2 and found["end"] < found["start"]:
        yield Problem(path_to(at, "end"), "it ends before it starts", "make `end` later than `start`")
    listed = document.get("at")
    texts = listed if isinstance(listed, list) else [listed]
    for index, text in enumerate(texts):
        place = path_to(at, "at", index) if isinstance(listed, list) else path_to(at, "at")
        if isinstance(text, str):
            yield from _told(partial(read_instant, text, zone=zone), at=place)


def _keep(found: dict[str, datetime], key: str, text: str, zone: ZoneInfo) -> None:
    found[key] = read_instant(text, zone=zone)


def _told(read: Callable[[], object], *, at: str) -> Iterator[Problem]:
    try:
        read()
    except ValueError as error:
        yield Problem(at, str(error), "write dates as 2026-01-31, instants as 2026-01-31T08:00:00+01:00")
