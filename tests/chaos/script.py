"""Writes down by a seed which fault strikes when, for how long, and how heavy the load is; it does nothing itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

WARM_UP_S = 2.0
"""No fault strikes before: every process has had work."""
GAP_S = (1.2, 3.2)
"""Least and greatest distance between the beginnings of two faults."""
REST_S = 1.5
"""What was struck is left alone for so long after it was mended."""
_RATES = {"calm": (1.0, 3.0), "normal": (4.0, 8.0), "burst": (20.0, 30.0)}
_LASTS_S = {"calm": (2.0, 4.0), "normal": (3.0, 6.0), "burst": (0.5, 1.5)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault as the script sees it: whom it strikes, and for how long at least and at most."""

    name: str
    target: str
    shortest_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One fault: in force from `at_s` to `until_s` after the beginning. `dice` seeds its own choices."""

    kind: str
    target: str
    at_s: float
    until_s: float
    dice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """From `at_s` on so many runs are started in a second."""

    name: str
    at_s: float
    starts_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What happens in `seconds` seconds."""

    seed: int
    seconds: float
    strikes: tuple[Strike, ...]
    shifts: tuple[Shift, ...]

    def rate_at(self, at_s: float) -> float:
        """This will give how many runs are started in a second at that time."""
        return next((shift.starts_per_s for shift in reversed(self.shifts) if shift.at_s <= at_s), 0.0)


def write(*, seed: int, seconds: float, kinds: Sequence[Kind]) -> Script:
    """This will write the script of a seed: the same seed, length and kinds give the same script.

    Kinds are dealt like cards: none comes a second time before all have come. A target is struck by one fault at a
    time, and every fault has ended when the script ends.
    """
    return Script(
        seed=seed,
        seconds=seconds,
        strikes=tuple(_strikes(Random(f"{seed}/faults"), seed=seed, seconds=seconds, kinds=kinds)),
        shifts=tuple(_shifts(Random(f"{seed}/load"), seconds=seconds)),
    )


def _strikes(dice: Random, *, seed: int, seconds: float, kinds: Sequence[Kind]) -> Iterator[Strike]:
    free_at: dict[str, float] = {}
    deck: list[Kind] = []
    at_s = WARM_UP_S
    while at_s < seconds:
        if not deck:
            deck = dice.sample(list(kinds), len(kinds))
        kind = next((card for card in deck if free_at.get(card.target, 0.0) <= at_s), None)
        if kind is not None:
            deck.remove(kind)
            until_s = at_s + dice.uniform(kind.shortest_s, kind.longest_s)
            if until_s <= seconds:
                yield Strike(kind=kind.name, target=kind.target, at_s=at_s, until_s=until_s, dice=f"{seed}/{at_s}")
                free_at[kind.target] = until_s + REST_S
        at_s += dice.uniform(*GAP_S)


def _shifts(dice: Random, *, seconds: float) -> Iterator[Shift]:
    at_s = 0.0
    name = "normal"
    while at_s < seconds:
        yield Shift(name=name, at_s=at_s, starts_per_s=dice.uniform(*_RATES[name]))
        at_s += dice.uniform(*_LASTS_S[name])
        name = dice.choice([other for other in _RATES if other != name])
