"""Judges from what a process says of itself, and from what the broker says of its queues, whether it does its work.

Pure: values in, sentences out. Nothing is said against a process whose stores are away, or that is ending: starting
it again would mend neither.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What a process says of itself. Instants are of the monotonic clock of its machine.

    `beats` has, for each part that must go on, when it was last seen going and for how long it then meant to rest.
    `lanes` has, for each lane it reads, how many messages it holds and when it took the latest; `room` is how many
    messages it takes from each. `silent` has the ids of children that have work, and since when they are silent.
    """

    pid: int
    name: str = ""
    is_ending: bool = False
    beats: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    lanes: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    room: int = 0
    silent: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Vitals":  # Any: parsed JSON
        """This will read what `document` wrote; it leaves out what another release has added."""
        return cls(
            pid=int(document["pid"]),
            name=str(document.get("name", "")),
            is_ending=bool(document.get("is_ending")),
            beats={part: (float(at), float(rest)) for part, (at, rest) in document.get("beats", {}).items()},
            lanes={lane: (int(held), float(at)) for lane, (held, at) in document.get("lanes", {}).items()},
            room=int(document.get("room", 0)),
            silent={child: float(since) for child, since in document.get("silent", {}).items()},
        )

    def document(self) -> Mapping[str, object]:
        """This will give it as JSON takes it."""
        return {
            "pid": self.pid,
            "name": self.name,
            "is_ending": self.is_ending,
            "beats": {part: [at, rest] for part, (at, rest) in self.beats.items()},
            "lanes": {lane: [held, at] for lane, (held, at) in self.lanes.items()},
            "room": self.room,
            "silent": dict(self.silent),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a queue: how many messages wait in it, and how many consumers it has. Neither counts what is held."""

    waiting: int
    consumers: int


def standing_still(vitals: Vitals, *, now: float, patience_s: float) -> Sequence[str]:
    """This will name the parts and children of a process that have stood still for longer than `patience_s`."""
    if vitals.is_ending:
        return ()
    parts = [
        f"{part} has stood still for {now - at - rest:.0f} s"
        for part, (at, rest) in sorted(vitals.beats.items())
        if now - at - rest > patience_s
    ]
    children = [
        f"child {child} has work and has been silent for {now - since:.0f} s"
        for child, since in sorted(vitals.silent.items())
        if now - since > patience_s
    ]
    return [*parts, *children]


def not_consuming(
    before: Vitals, after: Vitals, *, first: Mapping[str, Look], second: Mapping[str, Look]
) -> Sequence[str]:
    """This will name lanes that a process says it reads and does not, by two looks at the process and the broker.

    A lane without any consumer is not read by this process either. Where messages wait at both looks, though the
    process has room for more of that lane and took none meanwhile, the broker does not know it as a consumer: it
    would have been given one at once.
    """
    if after.is_ending:
        return ()
    problems = []
    for lane in sorted(after.lanes):
        if lane not in first or lane not in second or lane not in before.lanes:
            continue
        if first[lane].consumers == second[lane].consumers == 0:
            problems.append(f"the queue {lane} has no consumer at the broker")
        elif _is_passed_over(before, after, lane=lane, looks=(first[lane], second[lane])):
            problems.append(f"messages wait in the queue {lane}, and none of them come here")
    return problems


def _is_passed_over(before: Vitals, after: Vitals, *, lane: str, looks: Sequence[Look]) -> bool:
    (held_before, took_before), (held_after, took_after) = before.lanes[lane], after.lanes[lane]
    has_room = max(held_before, held_after) < min(before.room, after.room)
    return has_room and took_before == took_after and all(look.waiting > 0 for look in looks)
