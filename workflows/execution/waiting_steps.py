"""Performs steps that wait outside: each look at what they wait for ends in an output, a failure, or parked again."""

from collections.abc import Callable, Mapping

from workflows.core import subworkflow
from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed, Parked
from workflows.core.waiting_kinds import Stay
from workflows.operations import asking, children, event_waits

Look = Callable[[Stay], JsonObject | Failed | Parked]
LOOKS: Mapping[str, Look] = {
    "approval": asking.ask_for_approval,
    "task": asking.ask_for_work,
    "wait": event_waits.wait,
    subworkflow.USES: children.look,
}
"""How each kind looks, by its `uses`. A look may be repeated at any time: it changes only rows of its own kind."""


def look(uses: str, *, stay: Stay) -> JsonObject | Failed | Parked:
    """This will perform one look of a waiting step; it may speak with the database, so never on an event loop."""
    return LOOKS[uses](stay)
