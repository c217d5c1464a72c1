"""Fair shares between keys: start-time fair queueing over what is due; it moves nothing and reads no clock.

Source of the rule: Goyal, Vin, Cheng, "Start-time Fair Queuing" (SIGCOMM 1996). The n-th piece of work of a key
begins at the virtual time `lead + (n - 1) / weight`; whoever begins first is taken first. A key that has nothing due
saves nothing up, and one that was served is ahead by 1 / weight until the others have caught up.
"""

from collections.abc import Mapping, Sequence

MAX_KEYS = 1_000
"""So many keys per lane are remembered as being ahead; those furthest ahead first."""


class Shares:
    """Which keys of which lanes are ahead of their share. A hint: when it is lost, all keys are equal again."""

    def __init__(self) -> None:
        self._leads: dict[str, dict[str, float]] = {}

    def leads(self, lane: str) -> Mapping[str, float]:
        """This will give how far keys are ahead, in virtual time; those that are not named are not."""
        return self._leads.get(lane, {})

    def note(self, lane: str, *, taken: Sequence[tuple[str, float]], is_drained: bool) -> None:
        """This will take into account what was taken, as (key, weight) in any order; nothing more is due if drained."""
        if is_drained:
            self._leads.pop(lane, None)
            return
        ends = dict(self._leads.get(lane, {}))
        virtual_now = 0.0
        for key, weight in taken:
            begin = ends.get(key, 0.0)
            virtual_now = max(virtual_now, begin)
            ends[key] = begin + 1 / weight
        ahead = sorted(((end - virtual_now, key) for key, end in ends.items() if end > virtual_now), reverse=True)
        self._leads[lane] = {key: lead for lead, key in ahead[:MAX_KEYS]}
