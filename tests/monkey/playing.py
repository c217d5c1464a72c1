"""One game of the monkey by a seed: so many moves, some of them beside each other, then an end, then the laws."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import Random

from django.db import connection

from audit import queries as audit
from tests.chaos import gathering
from tests.chaos.evidence import Evidence
from tests.chaos.laws import ALL
from tests.monkey.world import World
from workflows.models import Run, Slot

LAWS = (
    "runs stuck",
    "leases left over",
    "slots leaked",
    "items incomplete",
    "finally missing",
    "executed after completion",
    "repeats unexplained",
    "joins early",
    "audit gaps: runs",
    "audit gaps: steps",
    "audit gaps: attempts",
    "audit gaps: items",
    "audit gaps: dead letters",
    "audit events forged",
)
"""Those of the chaos suite that hold whatever people do."""
_PROCESSES: Mapping[str, int] = {"start": 5, "work": 14, "die": 2, "let_time_pass": 6, "expire": 1}
_PEOPLE: Mapping[str, int] = {
    "cancel": 2,
    "pause": 3,
    "resume": 4,
    "help": 3,
    "requeue": 3,
    "discard": 1,
    "undo": 1,
    "publish": 2,
    "set_result": 1,
    "retry": 1,
}
_BESIDE = 0.25
"""So many moves of processes happen while somebody does something else."""
_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Game:
    """What a game came to."""

    runs: int
    story: Sequence[str]
    breaches: Sequence[str]
    refused: Mapping[str, int]


def play(*, seed: int, moves: int, directory: Path) -> Game:
    """This will play, settle and judge."""
    dice = Random(seed)
    world = World.made(directory=directory, dice=dice)
    for _ in range(moves):
        _move(world, dice=dice)
        world.look()
    world.story.append("settle")
    world.settle()
    evidence = _evidence(world)
    breaches = [f"{law}: {breach}" for law in LAWS for breach in ALL[law](evidence)]
    return Game(
        runs=len(world.runs), story=world.story, breaches=[*world.silent, *breaches], refused=dict(world.refused)
    )


def _move(world: World, *, dice: Random) -> None:
    if dice.random() < _BESIDE:
        people, process = _drawn(_PEOPLE, dice), _drawn(_PROCESSES, dice)
        with ThreadPoolExecutor(max_workers=1) as somebody:
            done = somebody.submit(_with_own_connection, getattr(world, people))
            getattr(world, process)()
            done.result(_WAIT_S)
    else:
        getattr(world, _drawn({**_PROCESSES, **_PEOPLE}, dice))()


def _with_own_connection(act: Callable[[], None]) -> None:
    try:
        act()
    finally:
        connection.close()


def _drawn(moves: Mapping[str, int], dice: Random) -> str:
    return dice.choices(list(moves), list(moves.values()))[0]


def _evidence(world: World) -> Evidence:
    trail = chain.from_iterable(audit.events_for(str(run_id)) for run_id in world.runs)
    evidence = gathering.rows_of(Run.objects.filter(id__in=world.runs), trail=trail, ledger=world.scene.ledger)
    held = Slot.objects.filter(limit__name=world.scene.limit)
    return gathering.with_slots(evidence, held=held)
