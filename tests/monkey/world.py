"""What the monkey lives in: runs of the catalogue, and everything that people and processes can do to them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from uuid import UUID, uuid4

from django.db import connection
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import TESTER
from tests.monkey import catalogue
from tests.monkey.catalogue import Kind, Scene
from workflows import operations, plans, store
from workflows.core.correlation import NewEvent
from workflows.core.pausing import PauseScope
from workflows.core.retry_plan import RetryFrom
from workflows.core.states import DeadLetterState, RunState
from workflows.errors import WorkflowError
from workflows.execution import shift
from workflows.models import Activation, DeadLetter, Pause, Run

_MOST_RUNS = 12
_LEASE_S = 30.0
_GENERATIONS = 3
"""How often runs that others have begun are looked for at the end: a run, its child, and once more."""
_SILENT = """
select run.id, 'has no activation' from workflows_run as run
where run.id = any(%(runs)s) and run.state = 'running'
    and not exists (select from workflows_activation as a where a.run_id = run.id)
union all
select run_id, format('%%s because of %%s (%%s), owner %%L', state, wait_reason, wait_object, owner)
from workflows_activation
where run_id = any(%(runs)s) and not (
    (state = 'ready' and wait_reason = 'worker')
    or (state = 'leased' and wait_reason = 'running' and owner <> '')
    or (state = 'waiting' and wait_reason in ('retry', 'items') and owner = '')
    or (state = 'waiting' and wait_reason not in ('worker', 'running') and wait_object <> '' and owner = ''))
"""


@dataclass(slots=True)
class World:
    """Runs, and what was done to them. `story` tells it in order; `refused` counts what the engine did not allow."""

    scene: Scene
    kinds: list[Kind]
    dice: Random
    runs: list[UUID] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)
    looks: int = 0
    started: int = 0

    @classmethod
    def made(cls, *, directory: Path, dice: Random) -> "World":
        """This will publish the catalogue, with a limit of its own."""
        gates = directory / "gates"
        gates.mkdir()
        scene = Scene(ledger=directory / "ledger", gates=gates, limit=f"monkey-{uuid4().hex[:8]}")
        capacity = catalogue.LIMIT_CAPACITY
        operations.set_limit(name=scene.limit, capacity=capacity, actor=TESTER, now=timezone.now())
        return cls(scene=scene, kinds=catalogue.publish(scene), dice=dice)

    def look(self) -> None:
        """This will learn of runs that others have begun, and note open ones that do not say what they wait for."""
        self._adopt()
        with connection.cursor() as cursor:
            cursor.execute(_SILENT, {"runs": self.runs})
            self.silent += [f"run {run_id}: {what}" for run_id, what in cursor.fetchall()]
        self.looks += 1

    def _adopt(self) -> None:
        """Runs of the catalogue that no move has started: of steps, and of retries."""
        names = [kind.workflow for kind in self.kinds]
        known = set(self.runs)
        begun = Run.objects.filter(workflow_name__in=names).order_by("id").values_list("id", flat=True)
        self.runs += [run_id for run_id in begun if run_id not in known]

    # What processes do.

    def start(self) -> None:
        """This will start a run."""
        if self.started < _MOST_RUNS:
            self.started += 1
            kind = self.dice.choice(self.kinds)
            self.runs.append(driving.start(kind.workflow, value=kind.value(self.dice)))
            self._tell(f"start {kind.name}", self.runs[-1])

    def work(self) -> None:
        """This will have a worker take some of what is due, and perhaps take the same message again."""
        refs = self._some_refs()
        if refs:
            self._tell("work on", *{ref.run_id for ref in refs})
            shift.execute(refs)
            if self.dice.random() < 0.2:
                shift.execute(refs)

    def die(self) -> None:
        """This will have a worker lease work, and never be seen again."""
        refs = self._some_refs()[:1]
        for claim in store.claim(refs=refs, owner="dead", lease_s=_LEASE_S) if refs else ():
            self._tell("die with", claim.run_id)
            Activation.objects.filter(id=claim.id).update(due_at=timezone.now() - timedelta(days=1))

    def let_time_pass(self) -> None:
        """This will make the timers of one run due."""
        if run_id := self._any_run():
            self._tell("an hour later", run_id)
            driving.let_time_pass(run_id)

    def expire(self) -> None:
        """This will have the deadline, or the grace of a cancel, of one run run out."""
        if run_id := self._any_run():
            now = timezone.now()
            if Run.objects.filter(id=run_id, deadline_at__isnull=False).update(deadline_at=now):
                self._tell("expire", run_id)
                operations.expire_run(run_id=run_id, now=now)

    # What people do.

    def cancel(self) -> None:
        """This will cancel a run in one of the ways there are."""
        if run_id := self._any_run():
            ways: list[dict[str, object]] = [{}, {"is_forced": True}, {"grace_s": 60.0}, {"is_undoing": False}]
            way = self.dice.choice(ways)
            self._tell(f"cancel {way}", run_id)
            self._try(operations.cancel_run, run_id=run_id, **way)

    def pause(self) -> None:
        """This will pause a run or a workflow."""
        scope, name = self._pausable()
        if name:
            self._tell(f"pause {scope} {name}")
            wanted = operations.PauseWanted(scope=scope, name=name, reason="monkey")
            self._try(lambda **now: operations.pause(wanted, **now))

    def resume(self) -> None:
        """This will let something go on that was paused."""
        rows = list(self._pauses())
        if rows:
            row = self.dice.choice(rows)
            self._tell(f"resume {row.scope} {row.name}")
            self._try(operations.resume, scope=PauseScope(row.scope), name=row.name)

    def help(self) -> None:
        """This will open the gate of a run, so that its stuck steps can succeed, or close it again."""
        if run_id := self._any_run():
            gate = self.scene.gates / str(run_id)
            gate.unlink() if gate.exists() else gate.touch()

    def requeue(self) -> None:
        """This will bring a dead letter back."""
        self._answer("requeue", operations.requeue_dead_letter)

    def discard(self) -> None:
        """This will give a dead letter up."""
        self._answer("discard", operations.discard_dead_letter, reason="monkey")

    def publish(self) -> None:
        """This will publish the event that a run may wait for, or will."""
        if run_id := self._any_run():
            self._tell("event for", run_id)
            event = NewEvent(id=uuid4().hex, source="/monkey", type=catalogue.EVENT, key=str(run_id))
            self._try(lambda **now: operations.publish_event(event, **now))

    def set_result(self) -> None:
        """This will set the result of some step by hand."""
        if run_id := self._any_run():
            run = Run.objects.get(id=run_id)
            step = self.dice.choice(sorted(plans.program_of(run.version_id).plan.graph.steps))
            self._tell(f"set result of {step}", run_id)
            wanted = operations.SetResult(step=step, output=1, reason="monkey")
            self._try(operations.set_result, run_id=run_id, wanted=wanted)

    def retry(self) -> None:
        """This will retry a run that has ended, from where it failed or from its start."""
        if (run_id := self._any_run()) and len(self.runs) < _MOST_RUNS * 2:
            start = self.dice.choice([RetryFrom.FAILED, RetryFrom.START])
            self._tell(f"retry from {start}", run_id)
            self._try(operations.retry_run, run_id=run_id, wanted=operations.RetryWanted(start=start, reason="monkey"))

    def undo(self) -> None:
        """This will undo what a run has done that has ended."""
        if run_id := self._any_run():
            self._tell("undo", run_id)
            self._try(operations.undo_run, run_id=run_id, reason="monkey")

    # The end.

    def settle(self) -> None:
        """This will resume everything, open all gates, bring every dead letter back once, and work to the end."""
        for row in self._pauses():
            self._try(operations.resume, scope=PauseScope(row.scope), name=row.name)
        for run_id in self.runs:
            (self.scene.gates / str(run_id)).touch()
        self._finish()
        for letter in self._letters():
            self._try(operations.requeue_dead_letter, dead_letter_id=letter)
        self._finish()

    def _finish(self) -> None:
        for _ in range(_GENERATIONS):
            self._work_all()
            self._adopt()

    def _work_all(self) -> None:
        driving.work(*self.runs, is_patient=False)
        now = timezone.now()
        for run_id in Run.objects.filter(id__in=self.runs, state=RunState.RUNNING).values_list("id", flat=True):
            if Run.objects.filter(id=run_id, deadline_at__isnull=False).update(deadline_at=now):
                operations.expire_run(run_id=run_id, now=now)
        driving.work(*self.runs, is_patient=False)

    def _some_refs(self) -> list[store.ActivationRef]:
        refs = list(driving.claimable(*self.runs))
        self.dice.shuffle(refs)
        return refs[: self.dice.randint(1, 3)]

    def _any_run(self) -> UUID | None:
        return self.dice.choice(self.runs) if self.runs else None

    def _pausable(self) -> tuple[PauseScope, str]:
        if self.dice.random() < 0.5:
            return PauseScope.WORKFLOW, self.dice.choice(self.kinds).workflow
        run_id = self._any_run()
        return PauseScope.RUN, str(run_id) if run_id else ""

    def _pauses(self) -> list[Pause]:
        own = {str(run_id) for run_id in self.runs} | {kind.workflow for kind in self.kinds}
        return [row for row in Pause.objects.order_by("id") if row.name in own]

    def _letters(self) -> list[int]:
        rows = DeadLetter.objects.filter(run_id__in=self.runs, state=DeadLetterState.OPEN)
        return list(rows.order_by("id").values_list("id", flat=True))

    def _answer(self, name: str, operation: Callable[..., object], **more: object) -> None:
        letters = self._letters()
        if letters:
            letter = self.dice.choice(letters)
            self._tell(f"{name} dead letter {letter}")
            self._try(operation, dead_letter_id=letter, **more)

    def _try(self, operation: Callable[..., object], **more: object) -> None:
        """What the engine refuses on purpose is an answer; anything else is a defect."""
        try:
            operation(actor=TESTER, now=timezone.now(), **more)
        except WorkflowError as refusal:
            self.refused[type(refusal).__name__] += 1
            self._tell(f"  refused: {type(refusal).__name__}")

    def _tell(self, what: str, *run_ids: UUID) -> None:
        self.story.append(f"{what} {', '.join(str(run_id)[-6:] for run_id in run_ids)}".strip())
