"""One game of the monkey by a seed: so many moves, some of them beside each other, then an end, then the laws."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from random import Random
from typing import TypeAlias

from django.db import connection

from audit import queries as audit
from tests.chaos import gathering
from tests.chaos.arrivals import PlaceRow
from tests.chaos.evidence import Evidence
from tests.chaos.laws import ALL
from tests.flows.ledger import Ledger
from tests.monkey import answers, catalogue, changes, fires, processes
from tests.monkey.catalogue import Played
from tests.monkey.settling import settle
from tests.monkey.till import Till
from tests.monkey.world import World
from workflows.models import Run, RunSlot, Slot

Move: TypeAlias = Callable[[World], None]

LAWS = (
    "runs lost",
    "runs stuck",
    "waits without a name",
    "leases left over",
    "slots leaked",
    "items incomplete",
    "undone wrongly",
    "finally missing",
    "timers early",
    "limits exceeded",
    "runs beside each other",
    "places left over",
    "answers lost",
    "decisions wrong",
    "decisions doubled",
    "decisions ignored",
    "children orphaned",
    "children doubled",
    "children ended wrongly",
    "executed after completion",
    "repeats unexplained",
    "joins early",
    "effects doubled",
    "audit gaps: runs",
    "audit gaps: steps",
    "audit gaps: attempts",
    "audit gaps: items",
    "audit gaps: dead letters",
    "audit gaps: requests",
    "audit events forged",
    "failures untold",
)
"""Those of the chaos suite that hold whatever people do."""
_PROCESSES: Mapping[Move, int] = {
    processes.start: 10,
    processes.work: 18,
    processes.work_beside: 5,
    processes.die: 2,
    processes.let_time_pass: 6,
    processes.expire: 1,
    processes.sweep: 3,
    processes.sleep_in: 1,
    processes.schedule_on: 1,
}
_PEOPLE: Mapping[Move, int] = {
    changes.cancel: 2,
    changes.pause: 3,
    changes.resume: 5,
    changes.switch_schedule: 1,
    changes.help_out: 3,
    changes.requeue: 3,
    changes.requeue_many: 1,
    changes.discard: 1,
    changes.undo: 1,
    changes.move: 2,
    changes.release: 1,
    changes.set_result: 1,
    changes.retry: 2,
    changes.retry_many: 1,
    answers.publish: 2,
    answers.answer: 5,
    answers.take: 2,
    answers.give_back: 1,
    answers.delegate: 1,
    processes.fire: 1,
}
_BESIDE = 0.25
"""So many moves of processes happen while somebody does something else."""
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Game:
    """What a game came to: breaches by law, laws without any too."""

    runs: int
    story: Sequence[str]
    breaches: Mapping[str, Sequence[str]]
    moves: Mapping[str, int]
    refused: Mapping[str, int]

    @property
    def told(self) -> str:
        """This will tell it, the breaches last."""
        broken = [f"{law}: {what}" for law, found in self.breaches.items() for what in found]
        return "\n".join([*self.story, *broken])

    @property
    def is_clean(self) -> bool:
        """This will tell whether no law was broken."""
        return not any(self.breaches.values())


def play(*, seed: int, moves: int, directory: Path) -> Game:
    """This will play, settle and judge."""
    dice = Random(seed)
    with Till(seed=seed) as till:
        world = World.made(directory=directory, dice=dice, till=till)
        try:
            for _ in range(moves):
                _move(world, dice=dice)
                world.look()
            settle(world)
        finally:
            world.lift()  # whatever has happened, nobody else shall stand still
        breaches = judge(world, till=till)
    return Game(
        runs=len(world.runs),
        story=world.story,
        breaches=breaches,
        moves=dict(world.moves),
        refused=dict(world.refused),
    )


def judge(world: World, *, till: Till) -> Mapping[str, Sequence[str]]:
    """This will give the breaches of every law, when nothing is left to do."""
    evidence = _evidence(world, till=till)
    of_runs = {law: [str(breach) for breach in ALL[law](evidence)] for law in LAWS}
    of_starts = {law: list(find(world)) for law, find in fires.LAWS.items()}
    return {**of_runs, **of_starts}


def _move(world: World, *, dice: Random) -> None:
    if dice.random() < _BESIDE:
        people, process = _drawn(_PEOPLE, dice), _drawn(_PROCESSES, dice)
        world.moves.update([people.__name__, process.__name__])
        with ThreadPoolExecutor(max_workers=1) as somebody:
            done = somebody.submit(_with_own_connection, people, world)
            process(world)
            done.result(_WAIT_S)
    else:
        move = _drawn({**_PROCESSES, **_PEOPLE}, dice)
        world.moves[move.__name__] += 1
        move(world)


def _with_own_connection(act: Move, world: World) -> None:
    try:
        act(world)
    finally:
        connection.close()


def _drawn(moves: Mapping[Move, int], dice: Random) -> Move:
    return dice.choices(list(moves), list(moves.values()))[0]


def _evidence(world: World, *, till: Till) -> Evidence:
    trail = chain.from_iterable(audit.events_for(str(run_id)) for run_id in world.runs)
    entries = Ledger(world.scene.ledger).entries()
    evidence = gathering.rows_of(Run.objects.filter(id__in=world.runs), trail=trail, entries=entries)
    held = Slot.objects.filter(limit__name=world.scene.limit)
    return replace(
        gathering.with_slots(evidence, held=held),
        book=world.book,
        workloads={kind.workflow: Played(kind) for kind in world.kinds},
        places=[
            PlaceRow(run_id=place.run_id, gate=str(place.gate), number=place.number)
            for place in RunSlot.objects.filter(run_id__in=world.runs).select_related("gate")
        ],
        capacities={world.scene.limit: catalogue.LIMIT_CAPACITY},
        charges=list(till.charges),
        unnamed_waits=world.silent,
        looks=world.looks,
    )
