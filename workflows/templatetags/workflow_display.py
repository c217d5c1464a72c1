"""How the engine's values read on a page: spans of time, JSON, states, actors; it marks nothing as safe."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django import template
from django.contrib.admin.views.main import PAGE_VAR
from django.http import HttpRequest

from workflows.timeline import Text

register = template.Library()
_COMPACT_CHARS = 400
_WORDS = {"unknown": "outcome unknown", "lost": "worker lost", "error": "program error"}


@register.filter
def span(seconds: float | None) -> str:
    """This will write a length of time in the two largest units that matter.

    >>> span(0.0123), span(4.2), span(75), span(3600 * 5 + 120), span(86400 * 2 + 3600), span(None)
    ('12 ms', '4.2 s', '1 min 15 s', '5 h 2 min', '2 d 1 h', '')
    """
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, name in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    raise AssertionError(f"{seconds} s fits no unit")


@register.filter
def milliseconds(length: float) -> str:
    """This will write a length of time given in milliseconds.

    >>> milliseconds(12), milliseconds(28_612)
    ('12 ms', '28.6 s')
    """
    return span(length / 1000)


@register.filter
def until(start: datetime | None, end: datetime | None) -> str:
    """This will write the time between two instants; nothing when one of them is not known."""
    return "" if start is None or end is None else span((end - start).total_seconds())


@register.filter
def roughly(start: datetime | None, end: datetime) -> str:
    """This will write the time between two instants in its largest unit alone."""
    return "" if start is None else " ".join(span(max(1.0, (end - start).total_seconds())).split()[:2])


@register.filter
def clock(moment: datetime | None) -> str:
    """This will write the time of day in UTC, to the millisecond.

    >>> clock(datetime(2026, 3, 1, 8, 5, 9, 123456, tzinfo=UTC))
    '08:05:09.123'
    """
    return "" if moment is None else moment.astimezone(UTC).strftime("%H:%M:%S.%f")[:-3]


@register.filter
def pretty(value: object) -> str:
    """This will write JSON with indentation; a text that was cut is shown as it is."""
    if isinstance(value, Text):
        if value.text is None or value.is_cut:
            return value.text or ""
        value = orjson.loads(value.text)
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


@register.filter
def compact(value: object) -> str:
    """This will write JSON on one line, and the beginning of what is long.

    >>> compact({"a": [1, None]})
    '{"a":[1,null]}'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    return text if len(text) <= _COMPACT_CHARS else f"{text[:_COMPACT_CHARS]}…"


@register.filter
def change_of_span(seconds: float) -> str:
    """This will write how much longer or shorter something took.

    >>> change_of_span(1.25), change_of_span(-0.5)
    ('+1.2 s', '-500 ms')
    """
    return f"{'-' if seconds < 0 else '+'}{span(abs(seconds))}"


@register.filter
def plain(value: object) -> str:
    """This will write a value for people: text as it is, nothing as a dash, everything else as JSON.

    >>> plain("x"), plain(None), plain(True), plain([1])
    ('x', '-', 'yes', '[1]')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "-"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.filter
def past(choice: str) -> str:
    """This will say of a choice what was done.

    >>> past("approve"), past("reject")
    ('approved', 'rejected')
    """
    return {"approve": "approved", "reject": "rejected", "complete": "completed"}.get(choice, choice)


@register.filter
def words(state: object) -> str:
    """This will write a state or a kind as words.

    >>> words("upstream_failed"), words("unknown")
    ('upstream failed', 'outcome unknown')
    """
    text = str(getattr(state, "value", state))
    return _WORDS.get(text, text.replace("_", " ").replace(".", " "))


@register.filter
def named(actor: str, names: Mapping[str, str]) -> str:
    """This will give the name of an actor: a user's name where it is known, otherwise the actor as stored.

    >>> named("user:7", {"user:7": "ada"}), named("schedule:nightly", {})
    ('ada', 'schedule:nightly')
    """
    return names.get(actor, actor)


@register.inclusion_tag("workflows/badge.html")
def badge(state: object, label: str = "") -> dict[str, str]:
    """This will show a state as a coloured badge with a sign."""
    text = str(getattr(state, "value", state))
    return {"state": text, "label": label or words(text)}


@register.inclusion_tag("workflows/chips.html", takes_context=True)
def chips(
    context: Mapping[str, Any],  # Any: a template's context
    choices: tuple[str, Sequence[tuple[str, str]]],
) -> dict[str, object]:
    """This will offer values (value, label) of one filter as links that keep the other filters."""
    parameter, values = choices
    request: HttpRequest = context["request"]
    chosen = request.GET.get(parameter, "")
    found = []
    for value, label in values:
        query = request.GET.copy()
        for name in (parameter, PAGE_VAR):
            query.pop(name, None)
        if value:
            query[parameter] = value
        found.append({"label": label, "link": f"?{query.urlencode()}", "is_chosen": value == chosen})
    return {"chips": found}
