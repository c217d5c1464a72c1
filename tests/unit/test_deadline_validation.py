"""What is wrong with a deadline is told at its place."""

from typing import Any

import pytest

from workflows.validation import find_problems


@pytest.mark.parametrize(
    ("deadline", "path", "says"),
    [
        ("5 min", "$.deadline", "not a length of time"),
        ("0s", "$.deadline", "longer than nothing"),
        ({"action": "cancel"}, "$.deadline", "either a length or from history"),
        ({"after": "1h", "median": 2}, "$.deadline", "either a length or from history"),
        ({"after": "1h", "of": 3}, "$.deadline.of", "from history"),
        ({"median": 2, "of": 3, "at_least": 4}, "$.deadline.at_least", "never more than 3"),
        ({"median": 0}, "$.deadline.median", "0"),
        ({"after": "1h", "action": "notify"}, "$.deadline.notify", "nobody is named"),
        ({"after": "1h", "notify": [{"channel": "pigeon", "recipient": "x"}]}, "$.deadline.notify[0]", "pigeon"),
        ({"after": "1h", "notify": [{"channel": "mail", "recipient": "boss"}]}, "$.deadline.notify[0]", "mail address"),
        ({"after": "1h", "action": "explode"}, "$.deadline.action", "not allowed"),
    ],
)
def test_wrong_deadline_is_told_at_its_place(deadline: object, path: str, says: str) -> None:
    document: Any = {"name": "w", "deadline": deadline, "steps": {"a": {"uses": "set"}}}

    (problem,) = find_problems(document, uses={})

    assert problem.path == path
    assert says in problem.message
