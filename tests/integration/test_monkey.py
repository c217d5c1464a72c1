"""Whatever people and processes do to runs, in any order and beside each other: at the end every law holds."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from django.utils import timezone

from automation.models import Fire
from automation.schedule.decide import FireState
from tests.flows import driving, ledger
from tests.monkey import catalogue, playing, processes
from tests.monkey.settling import settle
from tests.monkey.till import Till
from tests.monkey.world import World
from workflows.core.context import StepContext
from workflows.core.identity import idempotency_key
from workflows.models import Run

pytestmark = pytest.mark.usefixtures("database")
MOVES = 150


@pytest.mark.parametrize("seed", range(1, 4))
def test_laws_hold_whatever_is_done(seed: int, tmp_path: Path) -> None:
    game = playing.play(seed=seed, moves=MOVES, directory=tmp_path)

    assert game.is_clean, game.told
    assert game.runs >= 12


@pytest.fixture
def till() -> Iterator[Till]:
    """This will be a till that steps can charge."""
    with Till(seed=1) as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, till: Till) -> World:
    """This will be a world in which a schedule and the till were used, and nothing else was done."""
    made = World.made(directory=tmp_path, dice=Random(1), till=till)
    for wanted in ("paid", catalogue.KEYED, catalogue.KEYED):
        workflow = next(kind.workflow for kind in made.kinds if kind.name == wanted)
        made.runs.append(driving.start(workflow, value={"size": 1, "flag": True, "key": "one"}))
    made.schedules = made.schedules[:1]
    for _ in range(2):
        processes.fire(made)
        settle(made)
    made.look()
    return made


def test_breaches_that_are_planted_are_found(world: World, till: Till) -> None:
    clean = playing.judge(world, till=till)
    fires = Fire.objects.filter(schedule_id=world.schedules[0], state=FireState.STARTED).order_by("due_at")
    first, second = fires

    till.charges.append(till.charges[0])
    _begin_again(world, run=Run.objects.get(id=world.runs[0]))
    Run.objects.filter(id=world.runs[1]).update(ended_at=timezone.now())
    assert second.run_id is not None
    Run.objects.filter(id=second.run_id).update(created_at=first.due_at - timedelta(hours=1))
    fires.filter(id=first.pk).update(state=FireState.BUFFERED, run_id=None)

    found = playing.judge(world, till=till)

    assert not any(clean.values()), clean
    broken = {law for law, breaches in found.items() if breaches}
    assert broken == {
        "effects doubled",
        "executed after completion",
        "repeats unexplained",
        "due times doubled",
        "schedules overlapping",
        "due times undecided",
        "runs beside each other",
    }


def _begin_again(world: World, *, run: Run) -> None:
    """A step of the run begins that has completed."""
    context = StepContext(
        idempotency_key=idempotency_key(run=run.id, step="before", index=None),
        attempt=2,
        run_id=str(run.id),
        step="before",
        correlation_id="",
        timeout_s=1.0,
    )
    ledger.write(str(world.scene.ledger), event="begin", context=context)
