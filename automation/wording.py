"""How people name what starts and receives work, and refer to secrets; it changes nothing."""

import re
from collections.abc import Iterator, Sequence

from integrations import credentials
from workflows.core.problems import Problem, path_to

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def is_name(text: str, *, longest: int = 60) -> bool:
    """This will tell whether a text is lower-case words joined by hyphens.

    >>> is_name("shop-orders"), is_name("Shop Orders")
    (True, False)
    """
    return len(text) <= longest and _NAME.fullmatch(text) is not None


def reference_problems(references: Sequence[str]) -> Iterator[Problem]:
    """This will say which references to secrets lead nowhere, each with its path."""
    for index, reference in enumerate(references):
        problem = credentials.problem_of(reference)
        if problem is not None:
            yield Problem(path_to("$", "secrets", index), problem)
