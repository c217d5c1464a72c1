"""Every decision has a number of its own, in its name as in its title."""

import re
from collections import Counter
from pathlib import Path

_DECISIONS = sorted((Path(__file__).parents[2] / "docs/adr").glob("*.md"))


def test_every_decision_has_a_number_of_its_own() -> None:
    numbers = Counter(path.name.partition("-")[0] for path in _DECISIONS)

    assert [number for number, count in numbers.items() if count > 1] == []
    assert max(map(int, numbers)) >= 30


def test_a_decision_says_the_same_number_in_its_title() -> None:
    wrong = [
        path.name
        for path in _DECISIONS
        if not re.match(rf"# {int(path.name.partition('-')[0])}\. ", path.read_text().partition("\n")[0])
    ]

    assert wrong == []
