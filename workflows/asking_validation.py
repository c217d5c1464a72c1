"""Judges the `with` of a step that asks people, beyond its schema; what is computed is judged when it is known."""

from collections.abc import Iterator, Mapping

from integrations.notifications import channels
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.durations import DurationInvalid, parse_duration
from workflows.core.problems import Problem, path_to
from workflows.core.templates import has_code
from workflows.schema import schema_problems


def asking_problems(inputs: JsonObject, *, at: str) -> Iterator[Problem]:
    """This will judge lengths of time, the form, who is told, and what goes together only."""
    for key in ("expires", "due"):
        yield from _length_problems(inputs, key=key, at=at)
    if "on_expiry" in inputs and "expires" not in inputs:
        yield Problem(path_to(at, "on_expiry"), "`on_expiry` needs `expires`", "say how long an answer is waited for")
    for number, one in _mappings(inputs.get("escalate")):
        yield from _length_problems(one, key="after", at=path_to(at, "escalate", number))
    for number, one in _mappings(inputs.get("notify")):
        yield from _notice_problems(one, at=path_to(at, "notify", number))
    yield from _reminder_problems(inputs, at=path_to(at, "remind"))
    form = inputs.get("form")
    if isinstance(form, Mapping) and not _is_computed(form):
        yield from schema_problems(form, at=path_to(at, "form"))


def _mappings(value: JsonValue) -> Iterator[tuple[int, JsonObject]]:
    """What is no list of mappings its schema refuses."""
    for number, one in enumerate(value if isinstance(value, list) else ()):
        if isinstance(one, Mapping):
            yield number, one


def _notice_problems(notice: JsonObject, *, at: str) -> Iterator[Problem]:
    channel, recipient = notice.get("channel"), notice.get("recipient")
    if notice.get("link") is True and recipient is not None:
        message = "a link belongs to one person who may answer, never to a recipient"
        yield Problem(path_to(at, "link"), message, "take `link` or `recipient` out")
    if not isinstance(channel, str) or has_code(channel):
        return
    if recipient is None and channel not in channels.channels():
        known = ", ".join(sorted(channels.channels()))
        yield Problem(path_to(at, "channel"), f"there is no channel {channel!r}", f"known are {known}")
    if isinstance(recipient, str) and not has_code(recipient):
        problem = channels.problem_with(channel=channel, recipient=recipient)
        if problem is not None:
            yield Problem(at, problem)


def _reminder_problems(inputs: JsonObject, *, at: str) -> Iterator[Problem]:
    remind = inputs.get("remind")
    for number, one in enumerate(remind if isinstance(remind, list) else ()):
        for problem in _length_problems({"remind": one}, key="remind", at=at):
            yield Problem(path_to(at, number), problem.message, problem.hint)
    if "remind" in inputs and "notify" not in inputs:
        yield Problem(at, "`remind` needs `notify`", "say who is told, for example `notify: [{channel: mail}]`")


def _length_problems(holder: JsonObject, *, key: str, at: str) -> Iterator[Problem]:
    value = holder.get(key)
    if value is None or has_code(value):
        return
    try:
        if parse_duration(value) == 0:
            yield Problem(path_to(at, key), f"`{key}` must be longer than nothing")
    except DurationInvalid as error:
        yield Problem(path_to(at, key), str(error))


def _is_computed(value: JsonValue) -> bool:
    if isinstance(value, Mapping):
        return any(_is_computed(part) for part in value.values())
    return any(_is_computed(part) for part in value) if isinstance(value, list) else has_code(value)
