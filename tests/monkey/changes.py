"""The moves of operators: cancel, pause, retry, repair, undo, override, move and release, one run or many."""

from collections.abc import Callable

from automation import scheduling
from tests.monkey import catalogue
from tests.monkey.world import World
from workflows import operations, plans
from workflows.core.pausing import PauseScope
from workflows.core.retry_plan import RetryFrom
from workflows.core.run_selection import RunSelection
from workflows.core.selection import Selection
from workflows.core.states import RunState
from workflows.models import Run


def cancel(world: World) -> None:
    """This will cancel a run in one of the ways there are."""
    if run_id := world.any_run():
        ways: list[dict[str, object]] = [{}, {"is_forced": True}, {"grace_s": 60.0}, {"is_undoing": False}]
        way = world.dice.choice(ways)
        world.tell(f"cancel {way}", run_id)
        world.attempt(operations.cancel_run, run_id=run_id, **way)


def pause(world: World) -> None:
    """This will pause a run, a workflow, the connection, the lane or everything; perhaps only for what begins later."""
    run_id = world.any_run()
    places = [
        (PauseScope.WORKFLOW, world.dice.choice(world.kinds).workflow),
        (PauseScope.WORKFLOW, world.dice.choice(world.kinds).workflow),
        (PauseScope.CONNECTION, world.scene.connection),
        (PauseScope.LANE, "bulk"),
        (PauseScope.PLATFORM, ""),
        *([(PauseScope.RUN, str(run_id))] * 3 if run_id else ()),
    ]
    scope, name = world.dice.choice(places)
    world.tell(f"pause {scope} {name}")
    wanted = operations.PauseWanted(
        scope=scope,
        name=name,
        reason=catalogue.REASON,
        starts_only=scope in (PauseScope.WORKFLOW, PauseScope.PLATFORM) and world.dice.random() < 0.3,
        holds_deadlines=scope.may_hold_deadlines and world.dice.random() < 0.3,
    )
    world.attempt(lambda **now: operations.pause(wanted, **now))


def resume(world: World) -> None:
    """This will let something go on that was paused; what stops everything is resumed sooner than the rest."""
    rows = sorted(world.pauses(), key=lambda row: row.scope != PauseScope.PLATFORM)
    if rows:
        row = rows[0] if world.dice.random() < 0.5 else world.dice.choice(rows)
        world.tell(f"resume {row.scope} {row.name}")
        world.attempt(operations.resume, scope=PauseScope(row.scope), name=row.name)


def switch_schedule(world: World) -> None:
    """This will pause a schedule, or resume it."""
    schedule = world.schedule()
    if schedule.paused_at is None:
        world.tell(f"pause schedule {schedule.pk}")
        world.attempt(scheduling.pause, schedule=schedule, reason=catalogue.REASON)
    else:
        world.tell(f"resume schedule {schedule.pk}")
        world.attempt(scheduling.resume, schedule=schedule)


def help_out(world: World) -> None:
    """This will open the gate of a run, so that its stuck steps can succeed, or close it again."""
    if run_id := world.any_run():
        gate = world.scene.gates / str(run_id)
        gate.unlink() if gate.exists() else gate.touch()


def requeue(world: World) -> None:
    """This will bring a dead letter back."""
    _mend(world, "requeue", operations.requeue_dead_letter)


def discard(world: World) -> None:
    """This will give a dead letter up."""
    _mend(world, "discard", operations.discard_dead_letter, reason=catalogue.REASON)


def requeue_many(world: World) -> None:
    """This will bring back all dead letters of a workflow, at once or at a pace, or only say what would be done."""
    kind = world.dice.choice(world.kinds)
    pace = world.dice.choice([None, 10.0])
    is_dry = world.dice.random() < 0.3
    world.tell(f"requeue all of {kind.name}")
    selection = Selection(workflow=kind.workflow)
    world.attempt(lambda **now: operations.requeue_matching(selection, per_second=pace, dry_run=is_dry, **now))


def undo(world: World) -> None:
    """This will undo what a run has done that has ended."""
    if run_id := world.any_run():
        world.tell("undo", run_id)
        world.attempt(operations.undo_run, run_id=run_id, reason=catalogue.REASON)


def set_result(world: World) -> None:
    """This will set the result of some step by hand."""
    if run_id := world.any_run():
        step = _any_step(world, run=Run.objects.get(id=run_id))
        world.tell(f"set result of {step}", run_id)
        wanted = operations.SetResult(step=step, output=1, reason=catalogue.REASON)
        world.attempt(operations.set_result, run_id=run_id, wanted=wanted)


def retry(world: World) -> None:
    """This will retry a run that has ended: from where, on which version, and with which input, as it happens."""
    if (run_id := world.any_run()) and world.may_grow():
        wanted = _retry_wanted(world, run=Run.objects.get(id=run_id))
        told = f"{wanted.step}{', newest' if wanted.on_newest else ''}{', other input' if wanted.edited else ''}"
        world.tell(f"retry from {wanted.start} {told}", run_id)
        world.attempt(operations.retry_run, run_id=run_id, wanted=wanted)


def retry_many(world: World) -> None:
    """This will retry the runs of a workflow that have ended in some way, or only say which would be."""
    if world.may_grow():
        kind = world.dice.choice(world.kinds)
        state = world.dice.choice([RunState.FAILED, RunState.CANCELLED, RunState.SUCCEEDED])
        selection = RunSelection(workflow=kind.workflow, state=state)
        wanted = operations.RetryWanted(
            start=world.dice.choice([RetryFrom.FAILED, RetryFrom.START]), reason=catalogue.REASON
        )
        pace, is_dry = world.dice.choice([None, 10.0]), world.dice.random() < 0.3
        world.tell(f"retry all {state} of {kind.name}")
        world.attempt(
            lambda **now: operations.retry_matching(
                selection, wanted=wanted, per_second=pace, dry_run=is_dry, limit=3, **now
            )
        )


def move(world: World) -> None:
    """This will move a run to the other version of its workflow."""
    if run_id := world.any_run():
        version = world.dice.choice([None, 1, 2])
        world.tell(f"move to {version}", run_id)
        world.attempt(operations.move_run, run_id=run_id, version=version)


def release(world: World) -> None:
    """This will change who gets which version of a workflow."""
    workflow = world.dice.choice(world.kinds).workflow
    canary = operations.Canary(percent=world.dice.choice([0, 20, 80, 100]))
    ways: list[tuple[Callable[..., object], dict[str, object]]] = [
        (operations.set_canary, {"canary": canary, "version": world.dice.choice([None, 1, 2])}),
        (operations.promote, {"version": world.dice.choice([None, 1, 2])}),
        (operations.roll_back, {}),
    ]
    way, more = world.dice.choice(ways)
    world.tell(f"{way.__name__} {workflow[-6:]}")
    world.attempt(way, workflow=workflow, **more)


def _retry_wanted(world: World, *, run: Run) -> operations.RetryWanted:
    start = world.dice.choice([RetryFrom.FAILED, RetryFrom.STEP, RetryFrom.START])
    is_edited = world.dice.random() < 0.3
    edited = operations.EditedInput({"size": 3, "flag": True, "key": "edited"}) if is_edited else None
    return operations.RetryWanted(
        start=start,
        step=_any_step(world, run=run) if start is RetryFrom.STEP else "",
        on_newest=world.dice.random() < 0.4,
        edited=edited,
        reason=catalogue.REASON,
    )


def _any_step(world: World, *, run: Run) -> str:
    return world.dice.choice(sorted(plans.program_of(run.program_id).plan.graph.steps))


def _mend(world: World, name: str, operation: Callable[..., object], **more: object) -> None:
    letters = world.letters()
    if letters:
        letter = world.dice.choice(letters)
        world.tell(f"{name} dead letter {letter}")
        world.attempt(operation, dead_letter_id=letter, **more)
