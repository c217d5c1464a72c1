"""Whether what a step came to in one version still holds in another; pure.

How a step is carried (its lane, limits, retries, timeout, how many items side by side) does not change what its result
means; what it does, with what, after which steps and under which conditions does.
"""

from collections.abc import Iterator
from dataclasses import fields

from workflows.core.definition import StepDefinition

_CARRIES = frozenset({"queue", "limits", "retry", "timeout_s", "allowance", "parallel"})
_WORDS = {"inputs": "with", "condition": "if"}
"""Fields whose word in the document is another one."""


def altered(before: StepDefinition, after: StepDefinition) -> tuple[str, ...]:
    """This will name what is different in what a step means, by the words of the document."""
    return tuple(_altered(before, after))


def _altered(before: StepDefinition, after: StepDefinition) -> Iterator[str]:
    for field in fields(StepDefinition):
        one, other = getattr(before, field.name), getattr(after, field.name)
        if field.name == "needs":
            one, other = frozenset(one), frozenset(other)
        if field.name not in _CARRIES and one != other:
            yield _WORDS.get(field.name, field.name)
