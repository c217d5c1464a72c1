"""The end of a game: everything is resumed, helped, brought back once and answered, until nothing is left to do."""

from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from automation import scheduling
from automation.models import Fire, Schedule
from automation.schedule.decide import FireState
from tests.flows import driving
from tests.monkey import processes
from tests.monkey.answers import decide
from tests.monkey.world import World
from workflows import operations
from workflows.core.outcome import NEVER
from workflows.core.states import RunState
from workflows.core.voting import Choice, RequestKind
from workflows.models import Activation, Run
from workflows.store import GATES

_GENERATIONS = 3
"""How often runs that others have begun are looked for: a run, its child, and once more."""
_MOST_FIRES = 30
_FAR = NEVER - timedelta(days=1)


def settle(world: World) -> None:
    """This will bring every run to its end, and every schedule to rest."""
    world.story.append("settle")
    world.lift()
    for schedule in Schedule.objects.filter(id__in=world.schedules, paused_at__isnull=False):
        world.attempt(scheduling.resume, schedule=schedule)
    _finish(world)
    for letter in world.letters():
        world.attempt(operations.requeue_dead_letter, dead_letter_id=letter)
    _finish(world)
    for _ in range(_MOST_FIRES):  # each run that ends lets the next one out of a buffer
        processes.schedule_all(world)
        own = Fire.objects.filter(schedule_id__in=world.schedules)
        if not own.filter(state=FireState.BUFFERED).exists() and not _open_runs(world):
            break
        _finish(world)
    else:
        world.story.append("  due times or runs are left")
    Schedule.objects.filter(id__in=world.schedules).update(ended_at=timezone.now(), next_fire_at=None, next_due_at=None)


def _open_runs(world: World) -> bool:
    world.adopt()
    return Run.objects.filter(id__in=world.runs, state=RunState.RUNNING).exists()


def _finish(world: World) -> None:
    for _ in range(_GENERATIONS):
        world.adopt()
        for run_id in world.runs:
            (world.scene.gates / str(run_id)).touch()
        _work_all(world)
        world.adopt()
        for request in world.requests():
            choice = Choice.COMPLETE if request.kind == RequestKind.TASK else Choice.APPROVE
            for person in world.persons:
                decide(world, request, person=person, choice=choice)
        for request in world.requests():  # so many cannot answer any more: one holds the say of the other
            world.attempt(operations.cancel_run, run_id=request.run_id)
        _work_all(world)


def _work_all(world: World) -> None:
    _work(world)
    now = timezone.now()
    for run_id in Run.objects.filter(id__in=world.runs, state=RunState.RUNNING).values_list("id", flat=True):
        if Run.objects.filter(id=run_id, deadline_at__isnull=False).update(deadline_at=now):
            operations.expire_run(run_id=run_id, now=now)
    _work(world)


def _work(world: World) -> None:
    """Work, and let those in whose time at a gate is made to come."""
    for _ in range(_GENERATIONS):
        processes.sweep_once()
        driving.work(*world.runs, is_patient=False)
        gates = Activation.objects.filter(run_id__in=world.runs, wait_reason__in=GATES, due_at__lt=_FAR)
        if not gates.update(due_at=Now()):
            return
        driving.let_in(*world.runs)
