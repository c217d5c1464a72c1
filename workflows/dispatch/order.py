"""Which work goes next: asks for what is due lane by lane, the most urgent first; it sends nothing.

What it remembers between two rounds (who is ahead of the fair share, how far the walk through the keys has come) is
a hint: a dispatcher that starts anew is a little unfair for a moment, and loses nothing.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.conf import settings

from workflows import due
from workflows.core.sharing import Shares
from workflows.due import ABOVE_ALL, START, Ask, LeadRow, Place, Taken
from workflows.store import Due

_GROUPS = 64
_ROUND = 64  # what becomes due in a more urgent lane waits for the end of the round
_MOST_SPARE = 1_000


class Round(NamedTuple):
    """What was taken, in the order it should start. `has_more`: probably more can be taken at once."""

    dues: Sequence[Due]
    has_more: bool


class Order:
    """The order of one dispatcher's work."""

    def __init__(self) -> None:
        self._shares = Shares()
        self._before: dict[str, Place] = {}
        self._spare: dict[str, int] = {}

    def take(self, rooms: Mapping[str, int]) -> Round:
        """This will take what goes next of lanes that have room for so many activations, the most urgent lane first."""
        asks = [
            Ask(lane, min(room, _ROUND), self._before.get(lane, START), self._spare.get(lane, 0))
            for lane, room in rooms.items()
        ]
        if not asks:
            return Round((), has_more=False)
        answers = due.take_due(
            asks=asks,
            leads=self._leads(rooms),
            groups=_GROUPS,
            ageing_s=settings.PRIORITY_AGEING_S,
            again_s=settings.DISPATCH_AGAIN_S,
            again_cap_s=settings.DISPATCH_AGAIN_CAP_S,
        )
        has_more = [self._note(ask, answer) for ask, answer in zip(asks, answers, strict=True)]
        return Round([one for answer in answers for one in answer.dues], has_more=any(has_more))

    def _leads(self, lanes: Mapping[str, int]) -> Sequence[LeadRow]:
        return [
            {"lane": lane, "fairness_key": key, "lead": lead}
            for lane in lanes
            for key, lead in self._shares.leads(lane).items()
        ]

    def _note(self, ask: Ask, answer: Taken) -> bool:
        """Remember what was taken of a lane; gives whether more of it can be taken."""
        is_cut = answer.groups >= _GROUPS
        self._before[ask.lane] = _next_start(ask, answer) if is_cut else START
        is_full = len(answer.dues) >= ask.room
        # What a frozen process holds is passed over, and must not hide what nobody holds.
        self._spare[ask.lane] = min(2 * answer.locked, _MOST_SPARE)
        is_hidden = ask.spare < answer.locked and ask.spare < _MOST_SPARE
        self._shares.note(
            ask.lane,
            taken=[(one.fairness_key, one.fairness_weight) for one in answer.dues if not one.is_gated],
            is_drained=not (is_full or is_cut or is_hidden or ask.before != START),
        )
        return is_full or is_cut or is_hidden


def _next_start(ask: Ask, answer: Taken) -> Place:
    """A key that was cut comes again with all its priorities, unless nothing but that key was seen."""
    key = answer.latest.fairness_key
    return answer.latest if key == ask.before.fairness_key else Place(key, ABOVE_ALL)
