"""The shape of a frontier: which of Celery's primitives carries segments that have just become ready; pure.

A shape only says which wake-ups follow which. Whether a segment may start is decided by the database alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from workflows.core.plan import Plan, Segment

_MAX_CHAIN = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """Branches that run side by side, each a chain of segments, and the join they all end in, if there is one.

    One branch of one segment is a plain signature, one longer branch a chain, several branches with a join
    a chord.
    """

    branches: tuple[tuple[int, ...], ...]
    join: int | None = None


def shapes(plan: Plan, *, frontier: Sequence[int]) -> tuple[Shape, ...]:
    """This will cover a frontier of segments with shapes: one chord where all branches meet in one join.

    `frontier` names a `for_each` once for each of its pullers. What the worker of a single branch carries on by
    itself, because it is on the same lane, needs no message.
    """
    branches = tuple(chain_from(plan, segment=segment) for segment in dict.fromkeys(frontier))
    join = join_of(plan, branches=branches)
    if join is not None and (len(frontier) > 1 or _changes_lane(plan, branches[0][-1], join)):
        return (Shape(branches, join),)
    return tuple(Shape((branch,)) for branch in branches)


def chain_from(plan: Plan, *, segment: int) -> tuple[int, ...]:
    """This will give the segments that follow each other without fork or join, beginning with `segment`.

    A `for_each` ends the chain: what follows it waits for all of its pullers.
    """
    chain = [segment]
    while len(chain) < _MAX_CHAIN and not plan.segments[chain[-1]].is_map:
        behind = plan.successors(plan.segments[chain[-1]])
        if len(behind) != 1 or not _continues(plan, behind[0], before=chain[-1]):
            break
        chain.append(behind[0].index)
    return tuple(chain)


def join_of(plan: Plan, *, branches: Sequence[Sequence[int]]) -> int | None:
    """This will give the segment that waits for exactly these branches, if there is one."""
    if not branches:
        return None
    ends = [plan.segments[branch[-1]] for branch in branches]
    behind = {segment.index for end in ends for segment in plan.successors(end)}
    if len(behind) != 1:
        return None
    join = plan.segments[behind.pop()]
    needs = set(plan.graph.needs[join.head])
    return join.index if needs == {end.tail for end in ends} else None


def _continues(plan: Plan, segment: Segment, *, before: int) -> bool:
    is_straight = not segment.is_map and len(plan.graph.needs[segment.head]) == 1
    return is_straight and _changes_lane(plan, before, segment.index)


def _changes_lane(plan: Plan, before: int, after: int) -> bool:
    return plan.segments[before].lane != plan.segments[after].lane
