"""What is due, lane by lane, in the order it should go: the statements of dispatch; it sends nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict

from workflows import statements, store
from workflows.store import Due


class Place(NamedTuple):
    """A place in the order of a lane's index, which a walk goes through backwards."""

    fairness_key: str
    priority: int


ABOVE_ALL = 40_000
"""Above every priority that can be stored."""

START = Place(chr(0x10FFFF), ABOVE_ALL)
"""Behind every key, as bytes compare: where a walk begins."""


class Ask(NamedTuple):
    """How many activations a lane has room for; the walk looks at what is before a place.

    `spare`: so many more are looked at, because others of them are locked.
    """

    lane: str
    room: int
    before: Place = START
    spare: int = 0


class LeadRow(TypedDict):
    """A fairness key that is ahead of its share in a lane."""

    lane: str
    fairness_key: str
    lead: float


@dataclass(slots=True)
class Taken:
    """What was taken of a lane, in the order it should start; `groups` were looked at, `latest` was the latest.

    `locked` is how many were passed over because somebody held them at that moment.
    """

    lane: str
    dues: list[Due] = field(default_factory=list)
    groups: int = 0
    latest: Place = START
    locked: int = 0


def take_due(
    *,
    asks: Sequence[Ask],
    leads: Sequence[LeadRow],
    groups: int,
    ageing_s: float,
    again_s: float,
    again_cap_s: float,
) -> Sequence[Taken]:
    """This will take what must be dispatched now, at most what each lane has room for; gives one answer per lane.

    `groups` bounds how many pairs of fairness key and priority are looked at in each lane, `ageing_s` is what one
    step of priority is worth, `leads` say which keys are ahead of their share (core.sharing).
    """
    rows = [
        {
            "urgency": number,
            "lane": ask.lane,
            "room": ask.room,
            "spare": ask.spare,
            "before_key": ask.before.fairness_key,
            "before_priority": ask.before.priority,
        }
        for number, ask in enumerate(asks)
    ]
    params = {
        "asks": store.dump(rows),
        "leads": store.dump(leads),
        "groups": groups,
        "ageing_s": ageing_s,
        "again_s": again_s,
        "again_cap_s": again_cap_s,
        "gates": store.GATES,
    }
    taken = {ask.lane: Taken(lane=ask.lane) for ask in asks}
    for lane, walked, key, priority, locked, *due in statements.run("take_due", params):
        answer = taken[lane]
        answer.groups, answer.latest = walked, START if key is None else Place(key, priority)
        answer.locked = locked
        if due[0] is not None:
            answer.dues.append(Due(*due))
    return list(taken.values())


def count_due(*, lane: str, limit: int) -> int:
    """This will count what is due in a lane, but no further than `limit`."""
    return int(statements.run("count_due", {"lane": lane, "limit": limit})[0][0])
