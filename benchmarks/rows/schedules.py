"""Schedules: 1,000 of them due in the same second. How late is each fire seen as committed, by a stranger?"""

import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import median

import psycopg
from django.db import transaction
from django.utils import timezone

from automation import scheduling
from benchmarks import definitions, engine
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result, percentile
from workflows import operations

_SCHEDULES = 1_000
_AHEAD_S = 15
_AHEAD_CAP_S = 600
_SPARE_S = 2.0
_PILOT = 50
_LOOK_S = 0.002
_LIMIT_S = 60.0
_PROMISE_S = 0.25
_BATCH = 100


def measure(*, rounds: int) -> Sequence[Result]:
    """This will give the p99 of lateness beside what is promised, and the time until all runs have begun."""
    with Processes() as processes, engine.watch() as watch:
        processes.start_worker()
        processes.start_scheduler()
        engine.warm_up(watch, workflow=definitions.START, runs=3)
        late: list[float] = []
        begun: list[float] = []
        floor: list[float] = []
        for _ in range(rounds):
            lateness_s, begun_s = _round()
            late.append(lateness_s)
            begun.append(begun_s)
            watch.wait_until_all_ended(every_s=0.05)
            floor.append(_bare_starts_s())
            watch.wait_until_all_ended(every_s=0.05)
    return [
        Result(
            workload="schedules p99 late",
            unit="s",
            value=median(late),
            floor=_PROMISE_S,
            target=AtMost(1.0),
            n=_SCHEDULES,
            rounds=rounds,
        ),
        Result(
            workload="schedules all begun",
            unit="s",
            value=median(begun),
            floor=median(floor),
            target=AtMost(3.0),
            n=_SCHEDULES,
            rounds=rounds,
        ),
    ]


def _round() -> tuple[float, float]:
    due_at = _make_schedules()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as stranger:
        seen = _seen(stranger, due_at=due_at, query="select count(*) from automation_fire where due_at = %s")
        started = "select count(*) from automation_fire where due_at = %s and state = 'started'"
        begun = _seen(stranger, due_at=due_at, query=started)
    return percentile(seen, percent=99), max(begun)


def _make_schedules() -> datetime:
    """All of them stand before they are due, however slow the machine: what would be late is undone and made again."""
    ahead_s = float(_AHEAD_S)
    while ahead_s <= _AHEAD_CAP_S:
        began = time.monotonic()
        due_at = datetime.fromtimestamp(int(time.time() + ahead_s), tz=UTC)
        with transaction.atomic():
            share = _made_in_time(due_at=due_at)
            if share >= 1:
                return due_at
            transaction.set_rollback(True)
        ahead_s = max(ahead_s, (time.monotonic() - began) / share) * 2
    raise engine.RunsFailed(f"{_SCHEDULES} schedules cannot be made within {_AHEAD_CAP_S} s")


def _made_in_time(*, due_at: datetime) -> float:
    """The share of them that could be made; it stops as soon as their time will not do."""
    began, left_s = time.monotonic(), due_at.timestamp() - time.time() - _SPARE_S
    for number in range(_SCHEDULES):
        _make_schedule(number, due_at=due_at)
        if (time.monotonic() - began) * _SCHEDULES > max(left_s, 0) * max(number + 1, _PILOT):
            return (number + 1) / (_SCHEDULES + 1)
    return 1.0


def _make_schedule(number: int, *, due_at: datetime) -> None:
    scheduling.save_schedule(
        name=f"bench-{number}-{int(due_at.timestamp())}",
        workflow=definitions.START,
        document={"at": due_at.isoformat()},
        actor=engine.ACTOR,
        now=timezone.now(),
    )


def _seen(stranger: psycopg.Connection[tuple[object, ...]], *, due_at: datetime, query: str) -> list[float]:
    """How late each row was seen, in seconds; rows that came together were seen together."""
    late: list[float] = []
    deadline = due_at.timestamp() + _LIMIT_S
    while len(late) < _SCHEDULES:
        row = stranger.execute(query, [due_at], prepare=True).fetchone()
        now = time.time()
        late += [now - due_at.timestamp()] * (int(str(row[0])) - len(late) if row else 0)
        if now > deadline:
            raise engine.RunsFailed(f"only {len(late)} of {_SCHEDULES} schedules fired")
        time.sleep(_LOOK_S)
    return late


def _bare_starts_s() -> float:
    """As many runs, started in batches by a program that does nothing else."""
    began = time.perf_counter()
    for _ in range(_SCHEDULES // _BATCH):
        starts = [operations.Start() for _ in range(_BATCH)]
        operations.start_runs(workflow=definitions.START, starts=starts, actor=engine.ACTOR, now=timezone.now())
    return time.perf_counter() - began
