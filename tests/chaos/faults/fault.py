"""What a fault is: a kind the script can plan, and a blow that says how to mend it; it strikes nothing by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from tests.chaos.script import Kind
from tests.chaos.stage import Stage

Mend: TypeAlias = Callable[[], None]
Strike: TypeAlias = Callable[[Stage, Random], Mend]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault. `strike` begins it and returns what ends it; the end is called once, whatever happens."""

    kind: Kind
    strike: Strike


def fault(name: str, *, target: str, lasts_s: tuple[float, float], strike: Strike) -> Fault:
    """This will describe a fault that is in force between the two times of `lasts_s`."""
    return Fault(Kind(name=name, target=target, shortest_s=lasts_s[0], longest_s=lasts_s[1]), strike)


def nothing() -> None:
    """This will mend what needs no mending."""
