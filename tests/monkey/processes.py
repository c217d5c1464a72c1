"""The moves of processes: workers that take messages, twice or beside each other, or die; clocks; schedulers."""

from datetime import timedelta
from threading import Thread

from django.db import connection
from django.utils import timezone

from automation import scheduling
from automation.firing import planning, settling, watching
from automation.models import Fire, Schedule
from automation.schedule.decide import FireState
from tests.flows import driving
from tests.monkey.world import MOST_RUNS, World
from workflows import operations, store
from workflows.execution import shift
from workflows.models import Activation, Run
from workflows.operations import children, pausing

_LEASE_S = 30.0
_LONGEST_S = 60.0


def start(world: World) -> None:
    """This will start a run."""
    if world.started < MOST_RUNS:
        world.started += 1
        kind = world.dice.choice(world.kinds)
        value = kind.value(world.dice)
        run_id = driving.start(kind.workflow, value=value)  # type: ignore[arg-type]  # JSON
        world.promise(run_id, kind=kind, value=value)
        world.runs.append(run_id)
        world.tell(f"start {kind.name}", run_id)


def work(world: World) -> None:
    """This will have a worker take some of what is due, and perhaps take the same message again."""
    refs = world.some_refs()
    if refs:
        world.tell("work on", *{ref.run_id for ref in refs})
        shift.execute(refs)
        if world.dice.random() < 0.2:
            shift.execute(refs)


def work_beside(world: World) -> None:
    """This will have two workers take what is due at once, some of it both."""
    first, second = world.some_refs(), world.some_refs()
    if first and second:
        world.tell("work beside on", *{ref.run_id for ref in (*first, *second)})
        other = driving.aside(lambda: shift.execute(second))
        shift.execute(first)
        _join(other)


def die(world: World) -> None:
    """This will have a worker lease work, and never be seen again."""
    refs = world.some_refs()[:1]
    for claim in store.claim(refs=refs, owner="dead", lease_s=_LEASE_S) if refs else ():
        world.tell("die with", claim.run_id)
        Activation.objects.filter(id=claim.id).update(due_at=timezone.now() - timedelta(days=1))


def let_time_pass(world: World) -> None:
    """This will make the timers of one run due, and let it in where it was told to come later."""
    if run_id := world.any_run():
        world.tell("an hour later", run_id)
        driving.let_time_pass(run_id)
        driving.let_in(run_id)


def sweep(world: World) -> None:
    """This will have a scheduler look for what others have left: orders to runs below, pauses that are over."""
    world.tell("sweep")
    sweep_once()


def sweep_once() -> None:
    """This will do what of a scheduler's sweep concerns runs that were started, paused or brought back."""
    now = timezone.now()
    pausing.sweep(now=now)
    children.sweep(now=now)


def expire(world: World) -> None:
    """This will have the deadline, or the grace of a cancel, of one run run out."""
    if run_id := world.any_run():
        now = timezone.now()
        if Run.objects.filter(id=run_id, deadline_at__isnull=False).update(deadline_at=now):
            world.tell("expire", run_id)
            operations.expire_run(run_id=run_id, now=now)


def sleep_in(world: World) -> None:
    """This will have nobody look at a schedule for some hours, which are then made up for."""
    schedule = world.schedule()
    world.tell(f"nobody looks at schedule {schedule.pk}")
    since = timezone.now() - timedelta(hours=world.dice.randint(1, 4))
    Schedule.objects.filter(id=schedule.pk).update(
        last_due_at=since, is_planned=False, next_due_at=None, next_fire_at=None
    )
    schedule_on(world)


def fire(world: World) -> None:
    """This will have somebody fire a schedule by hand."""
    schedule = world.schedule()
    world.tell(f"fire schedule {schedule.pk}")
    world.attempt(scheduling.trigger, schedule=schedule)
    schedule_on(world)


def schedule_on(world: World) -> None:
    """This will have a scheduler do what there is to do for schedules, perhaps two beside each other."""
    if world.dice.random() < 0.3:
        other = driving.aside(_schedule_once)
        _schedule_once()
        _join(other)
    _schedule_once()


def schedule_all(world: World) -> None:
    """This will have a scheduler go on until nothing of our schedules can be decided now."""
    own = Fire.objects.filter(schedule_id__in=world.schedules)
    for _ in range(100):
        _schedule_once()
        if not own.filter(state=FireState.DUE).exists():
            return
    raise AssertionError("fires of schedules are never decided")


def _schedule_once() -> None:
    now = timezone.now()
    planning.plan(now=now)
    settling.settle(now=now)
    watching.Watcher().look(now=now)
    settling.settle(now=now)


def _join(thread: Thread) -> None:
    thread.join(_LONGEST_S)
    assert not thread.is_alive(), "a process beside does not come to an end"
    connection.ensure_connection()
