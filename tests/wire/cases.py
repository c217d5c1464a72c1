"""Everything this release puts into a queue, as cases: a workflow, and how many of its runs go on a journey together.

Each case begins in the lane `critical`, which the worker of the test reads. What is sent on from there goes to lanes
that nobody reads, so that it can be caught.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.flows.driving import call

READ, UNREAD = "critical", ("io", "bulk")
UNKNOWN_TASK = "tests.of_another_release"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Runs of these steps. `pullers`: how many of them share a `for_each`. `task`: a message of another task.

    `ended` are the steps that have ended when all its messages have been received; `later` of them are sent by a
    worker, or come to the queue `dead`.
    """

    steps: Mapping[str, object]
    ended: Sequence[str] = ("only",)
    runs: int = 1
    pullers: int = 1
    task: str = ""
    later: int = 0


def _first(**more: object) -> dict[str, object]:
    return call("noop", queue=READ, **more)


_ONE: Mapping[str, object] = {"only": _first()}
CASES: Mapping[str, Case] = {
    "one": Case(steps=_ONE),
    "several": Case(steps=_ONE, runs=4),
    "chain": Case(
        steps={"a": _first(), "b": call("noop", needs="a", queue="io"), "c": call("noop", needs="b", queue="bulk")},
        ended=("a", "b"),
        later=1,
    ),
    "chord": Case(
        steps={
            "b": _first(),
            "a": _first(),
            "c": call("noop", needs="b", queue="io"),
            "join": call("noop", needs=["a", "c"], queue="bulk"),
        },
        ended=("a", "b", "c"),
        later=1,
    ),
    "pullers": Case(
        steps={
            "map": call(
                "fail_until",
                args={"attempt": 2},
                retry={"attempts": 9, "first": "200ms", "cap": "200ms"},
                for_each=[1, 2, 3],
                parallel=3,
                queue=READ,
            ),
            "join": call("noop", needs="map", queue="io"),
        },
        ended=("join", "map"),
        pullers=3,
        later=1,
    ),
    "periodic": Case(steps=_ONE, task="automation.start_workflow"),
    "dead": Case(steps=_ONE, task=UNKNOWN_TASK, later=1),
}
