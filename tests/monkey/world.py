"""What the monkey lives in: a catalogue of workflows, their runs, and the record of what was done to them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from automation import scheduling
from automation.errors import AutomationError
from automation.models import Schedule
from tests.chaos.book import Book, Wanted
from tests.flows import driving
from tests.flows.driving import TESTER
from tests.monkey import catalogue
from tests.monkey.catalogue import Kind, Scene
from tests.monkey.till import Till
from tests.support import people, silence
from workflows import operations, store
from workflows.core.pausing import PauseScope
from workflows.core.states import DeadLetterState
from workflows.core.voting import RequestState
from workflows.errors import WorkflowError
from workflows.human_rights import Person
from workflows.models import DeadLetter, HumanRequest, Pause, Run

MOST_RUNS = 12
_OVERLAPS = ("skip", "buffer_one", "buffer_all", "cancel_other")


@dataclass(slots=True)
class World:
    """Runs, and what was done to them. `story` tells it in order; `refused` counts what the engine did not allow.

    `book` is what people were promised, `silent` what did not say what it waits for.
    """

    scene: Scene
    kinds: list[Kind]
    dice: Random
    persons: list[Person]
    schedules: list[int]
    book: Book = field(default_factory=Book)
    runs: list[UUID] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    moves: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    silent: list[tuple[UUID, str]] = field(default_factory=list)
    looks: int = 0
    started: int = 0

    @classmethod
    def made(cls, *, directory: Path, dice: Random, till: Till) -> "World":
        """This will publish the catalogue, with a limit, a connection, people and schedules of its own."""
        gates = directory / "gates"
        gates.mkdir()
        persons = [people.person() for _ in range(3)]
        name = f"monkey-{uuid4().hex[:8]}"
        scene = Scene(
            ledger=directory / "ledger",
            gates=gates,
            limit=name,
            connection=till.connect(name),
            people=[person.name for person in persons[:2]],
        )
        operations.set_limit(name=name, capacity=catalogue.LIMIT_CAPACITY, actor=TESTER, now=timezone.now())
        kinds = catalogue.publish(scene)
        schedules = [_scheduled(dice.choice(kinds), overlap=overlap) for overlap in _OVERLAPS]
        return cls(scene=scene, kinds=kinds, dice=dice, persons=persons, schedules=schedules)

    def look(self) -> None:
        """This will learn of runs that others have begun, and note open ones that do not say what they wait for."""
        self.adopt()
        with connection.cursor() as cursor:
            cursor.execute(silence.OF_SOME, {"runs": self.runs})
            self.silent += cursor.fetchall()
        self.looks += 1

    def adopt(self) -> None:
        """This will learn of runs of the catalogue that no move has started: of steps, schedules and retries."""
        names = [kind.workflow for kind in self.kinds]
        known = set(self.runs)
        begun = Run.objects.filter(workflow_name__in=names).order_by("id").values_list("id", flat=True)
        self.runs += [run_id for run_id in begun if run_id not in known]

    def promise(self, run_id: UUID, *, kind: Kind, value: dict[str, object]) -> None:
        """This will note a run that somebody was promised."""
        wanted = Wanted(number=self.started, workload=kind.workflow, value=value)  # type: ignore[arg-type]  # JSON
        self.book.acknowledge(run_id, wanted=wanted)

    def some_refs(self) -> list[store.ActivationRef]:
        """This will choose some of what is due."""
        refs = list(driving.claimable(*self.runs))
        self.dice.shuffle(refs)
        return refs[: self.dice.randint(1, 3)]

    def any_run(self) -> UUID | None:
        """This will choose a run, if there is one."""
        return self.dice.choice(self.runs) if self.runs else None

    def may_grow(self) -> bool:
        """This will tell whether there may be more runs by retries."""
        return len(self.runs) < MOST_RUNS * 2

    def pauses(self) -> Sequence[Pause]:
        """This will give the pauses in force that are ours: nobody else makes any meanwhile."""
        return list(Pause.objects.filter(reason=catalogue.REASON).order_by("id"))

    def lift(self) -> None:
        """This will resume everything."""
        for row in self.pauses():
            self.attempt(operations.resume, scope=PauseScope(row.scope), name=row.name)

    def requests(self) -> QuerySet[HumanRequest]:
        """This will give the open requests of its runs."""
        return HumanRequest.objects.filter(run_id__in=self.runs, state=RequestState.OPEN).order_by("id")

    def letters(self) -> list[int]:
        """This will give the open dead letters of its runs."""
        rows = DeadLetter.objects.filter(run_id__in=self.runs, state=DeadLetterState.OPEN)
        return list(rows.order_by("id").values_list("id", flat=True))

    def attempt(self, operation: Callable[..., object], **more: object) -> bool:
        """This will do something as it is done from outside, and tell whether the engine did not refuse it.

        What it refuses on purpose is an answer; anything else is a defect.
        """
        try:
            operation(actor=TESTER, now=timezone.now(), **more)
        except (WorkflowError, AutomationError) as refusal:
            self.refused[type(refusal).__name__] += 1
            self.story.append(f"  refused: {type(refusal).__name__}")
            return False
        return True

    def tell(self, what: str, *run_ids: UUID) -> None:
        """This will go on with the story."""
        self.story.append(f"{what} {', '.join(str(run_id)[-6:] for run_id in run_ids)}".strip())

    def schedule(self) -> Schedule:
        """This will choose one of its schedules."""
        return Schedule.objects.get(id=self.dice.choice(self.schedules))


def _scheduled(kind: Kind, *, overlap: str) -> int:
    document = {"every": "1h", "overlap": overlap, "misfire": "all", "input": {"size": 2, "flag": True, "key": "s"}}
    made, _ = scheduling.save_schedule(
        name=f"monkey-{uuid4().hex[:8]}",
        workflow=kind.workflow,
        document=document,  # type: ignore[arg-type]  # JSON
        actor=TESTER,
        now=timezone.now(),
    )
    return made.pk
