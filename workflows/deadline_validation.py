"""Judges the `deadline` of a definition: its lengths, what it counts by, and whether those it tells can be reached."""

from collections.abc import Iterator, Mapping

from integrations.notifications import channels
from workflows.core.definition import JsonObject
from workflows.core.problems import Problem, path_to
from workflows.step_validation import length_problems

_OF_HISTORY = ("of", "at_least", "min")


def deadline_problems(document: JsonObject) -> Iterator[Problem]:
    """This will give everything that is wrong with a `deadline` beyond its shape."""
    deadline, at = document.get("deadline"), "$.deadline"
    if not isinstance(deadline, Mapping):
        yield from length_problems(document, key="deadline", at="$", is_nothing_allowed=False)
        return
    yield from length_problems(deadline, key="after", at=at, is_nothing_allowed=False)
    yield from length_problems(deadline, key="min", at=at)
    if ("after" in deadline) == ("median" in deadline):
        yield Problem(at, "a deadline is either a length or from history", "write one of `after` and `median`")
    for key in _OF_HISTORY:
        if key in deadline and "median" not in deadline:
            yield Problem(path_to(at, key), f"`{key}` belongs to a deadline from history", "add `median`")
    of, at_least = deadline.get("of", 20), deadline.get("at_least", 5)
    if "median" in deadline and isinstance(of, int) and isinstance(at_least, int) and at_least > of:
        yield Problem(path_to(at, "at_least"), f"never more than {of} runs are looked at", "raise `of`")
    yield from _told_problems(deadline, at=path_to(at, "notify"))


def _told_problems(deadline: JsonObject, *, at: str) -> Iterator[Problem]:
    told = deadline.get("notify")
    if told is None:
        if deadline.get("action") == "notify":
            yield Problem(at, "nobody is named", "write for example `notify: [{channel: mail, recipient: ops@x.org}]`")
        return
    for index, one in enumerate(told if isinstance(told, list) else ()):
        if not isinstance(one, Mapping):
            continue
        channel, recipient = one.get("channel"), one.get("recipient")
        if isinstance(channel, str) and isinstance(recipient, str):
            problem = channels.problem_with(channel=channel, recipient=recipient)
            if problem is not None:
                yield Problem(path_to(at, index), problem)
