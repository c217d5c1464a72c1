"""Plays for one stage: each brings a run of its own to its worst moment, and judges it when all have been killed there.

A play is a generator. It begins its run with a stop in its way (`Stage.begin`, `Stage.stop`), yields, and goes on when
everybody is dead and successors are at work. `Stage.losses` is how often what it had stopped has to be done again.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
from django.db import transaction

from audit import queries as audit
from tests.flows.driving import begin
from tests.flows.ledger import Ledger
from tests.support.processes import HASTY, Processes, TestedProcess
from tests.support.standstill import Standstill, Stop
from workflows.core.definition import JsonValue
from workflows.models import Attempt, Step

_START_LIMIT_S = 300.0
Scene = Generator[None, None, None]
Play = Callable[["Stage"], Scene]


@dataclass(slots=True)
class Stage:
    """Where the plays of one kill take place. `is_kept`: the commits they stop at take place behind the kill."""

    standstill: Standstill
    directory: Path
    is_kept: bool = False
    stops: list[Stop] = field(default_factory=list)
    _going: dict[str, Scene] = field(default_factory=dict)

    @property
    def losses(self) -> int:
        """This will be how often what was stopped was begun in vain."""
        return 0 if self.is_kept else 1

    @property
    def ledger(self) -> Ledger:
        """This will be the ledger of all plays."""
        return Ledger(self.directory / "ledger")

    @property
    def act(self) -> dict[str, str]:
        """This will be the arguments of a function that has an effect."""
        return {"ledger": str(self.ledger.path)}

    def begin(
        self,
        steps: Mapping[str, object],
        kind: str,
        *,
        value: JsonValue = None,
        at: Mapping[str, object],
        **more: object,
    ) -> UUID:
        """This will begin a run that is stopped where this event of it is committed."""
        with transaction.atomic():
            run_id = begin(steps, value=value, **more)
            self.stop(kind, run_id, **at)
        return run_id

    def stop(self, kind: str, subject: object, **payload: object) -> None:
        """This will have whoever commits this event stand still."""
        self.stops.append(self.standstill.at(kind, subject, payload=payload, is_kept=self.is_kept))

    def check_lost(self, run_id: UUID, step: str, *, index: int | None = None) -> None:
        """What was rolled back was an attempt in vain. On a busy machine leases are lost besides: there may be more."""
        lost = Attempt.objects.filter(run_id=run_id, step=step, index=index, kind="lost")
        assert lost.count() >= self.losses

    def done(self, run_id: UUID) -> list[str]:
        """This will be the steps of a run that had their effect, in order; each of them always with the same key."""
        steps = list(dict.fromkeys(entry.step for entry in self.ledger.entries("effect", run_id=run_id)))
        assert len(self.ledger.effects_by_key(run_id=run_id)) == len(steps)
        return steps

    def prepare(self, plays: Mapping[str, Play]) -> None:
        """This will bring the plays to their stops, one after the other."""
        for name, play in plays.items():
            begun = len(self.stops)
            self._going[name] = play(self)
            next(self._going[name])
            self.standstill.wait_for(*self.stops[begun:])

    def kill(self, *victims: TestedProcess) -> None:
        """This will kill everybody who stands still."""
        assert all(recorded(stop) == 0 for stop in self.stops), "nothing of it is committed"
        for victim in victims:
            victim.kill()
        self.standstill.fall()
        kept = [recorded(stop) for stop in self.stops]
        assert kept == [1 - self.losses] * len(kept), "it is there or it is not, as it was meant"

    def judge(self, name: str) -> None:
        """This will have a play go on to its end."""
        for _ in self._going.pop(name):
            raise AssertionError(f"{name} stops a second time")


@dataclass(slots=True)
class Troupe:
    """Whoever is alive: schedulers, and a worker with processes enough for all plays and those who wait for them."""

    processes: Processes
    size: int = 32
    alive: list[TestedProcess] = field(default_factory=list)

    def come(self, *, schedulers: int = 1) -> None:
        """This will have others take the place of those who were killed."""
        come = [self.processes.start_scheduler(env=HASTY, wait=False) for _ in range(schedulers)]
        worker = self.processes.start_worker(env=HASTY, concurrency=self.size, wait=False)
        for one, text in [*((scheduler, "scheduler_started") for scheduler in come), (worker, " ready.")]:
            one.wait_for_log(text, limit_s=_START_LIMIT_S)
        self.alive = [*come, worker]


@contextmanager
def killed(plays: Mapping[str, Play], *, troupe: Troupe, directory: Path, is_kept: bool) -> Iterator["Stage"]:
    """This will be plays behind the death of everybody who had them in their hands, with others at work."""
    with stage(directory, is_kept=is_kept) as made:
        made.prepare(plays)
        made.kill(*troupe.alive)
        troupe.come()
        yield made


@contextmanager
def stage(directory: Path, *, is_kept: bool) -> Iterator[Stage]:
    """This will be an empty stage."""
    with Standstill() as standstill:
        made = Stage(standstill, directory, is_kept)
        yield made


def output_of(run_id: UUID, step: str) -> dict[str, Any]:  # Any: JSON
    """This will be what a step has given."""
    output = Step.objects.get(run_id=run_id, step=step).output
    assert isinstance(output, dict)
    return output


def recorded(stop: Stop) -> int:
    """This will count the events that a stop is about."""
    payloads = audit.events_for(stop.subject).filter(kind=stop.kind).values_list("payload", flat=True)
    return sum(stop.payload.items() <= orjson.loads(one).items() for one in payloads)
