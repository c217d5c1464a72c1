"""How long a critical step waits while 20,000 bulk steps are queued for the same workers, beside its wait when idle.

The wait is from the answer to the call that starts the run to the first line of its step. The bulk steps compute for
two milliseconds each and share both children with the critical ones; more are queued than are done meanwhile.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from uuid import UUID

from django.db import connection
from django.utils import timezone

from benchmarks import definitions, engine
from benchmarks.processes import Processes
from benchmarks.results import AtLeast, AtMost, Result, percentile
from workflows import operations

_QUEUED = 20_000
_BATCH = 1_000
_SAMPLES = 100
_SPARE = 15_000
_SETTLE_S = 3.0
_TARGETS = {50: AtMost(3.0), 99: AtMost(3.0)}
_RESERVES = (1, 4, 16)


class BacklogTooShort(Exception):
    """Fewer bulk steps were left than the row promises, so that its figure means nothing."""


def measure(*, rounds: int) -> Sequence[Result]:
    """This will take samples while idle, then under load, in turn, and give p50 and p99 of the waits."""
    with Processes() as processes, engine.watch() as watch:
        processes.start_worker()
        processes.start_scheduler()
        engine.warm_up(watch, workflow=definitions.CRITICAL, runs=20)
        measured = [_round(watch) for _ in range(rounds)]
    return [_result(measured, percent=percent) for percent in _TARGETS]


def _result(measured: Sequence[tuple[Sequence[float], Sequence[float]]], *, percent: int) -> Result:
    return Result(
        workload=f"critical-under-load p{percent}",
        unit="ms",
        value=median(percentile(loaded, percent=percent) for loaded, _ in measured),
        floor=median(percentile(idle, percent=percent) for _, idle in measured),
        target=_TARGETS[percent],
        n=_SAMPLES,
        rounds=len(measured),
    )


def measure_prefetch(*, rounds: int) -> Sequence[Result]:
    """This will measure the same for reserves of 1, 4 and 16 messages, and the rate of the bulk steps meanwhile."""
    results: list[Result] = []
    for reserve in _RESERVES:
        with Processes() as processes, engine.watch() as watch:
            processes.start_worker(prefetch=reserve)
            processes.start_scheduler()
            engine.warm_up(watch, workflow=definitions.CRITICAL, runs=20)
            bulk: list[float] = []
            measured = [_round(watch, bulk=bulk) for _ in range(rounds)]
        waits = [
            replace(_result(measured, percent=percent), workload=f"prefetch {reserve} p{percent}")
            for percent in _TARGETS
        ]
        rate = Result(
            workload=f"prefetch {reserve} bulk",
            unit="steps/s",
            value=median(bulk),
            floor=results[2].value if results else median(bulk),
            target=AtLeast(1.0),
            n=_QUEUED,
            rounds=rounds,
        )
        results += [*waits, rate]
    return results


def _round(watch: engine.Watch, *, bulk: list[float] | None = None) -> tuple[Sequence[float], Sequence[float]]:
    idle = _waits(watch)
    try:
        _queue_bulk()
        time.sleep(_SETTLE_S)
        began, before = time.monotonic(), _backlog()
        loaded = _waits(watch)
        if bulk is not None:
            bulk.append((before - _backlog()) / (time.monotonic() - began))
        _check_backlog()
    finally:
        _drop_backlog()
    watch.wait_until_all_ended(every_s=0.01)
    return loaded, idle


def _waits(watch: engine.Watch) -> Sequence[float]:
    sent_at: dict[UUID, float] = {}
    for _ in range(_SAMPLES):
        run_id = engine.start(definitions.CRITICAL)
        sent_at[run_id] = time.time()
        time.sleep(random.uniform(0.05, 0.15))  # random: so that samples do not keep step with anything
    started_at = watch.outputs_when_there([*sent_at])
    return [(started_at[run] - began) * 1000 for run, began in sent_at.items()]


def _queue_bulk() -> None:
    """Queue until so many are left, while the workers take them already."""
    while (missing := _QUEUED + _SPARE - _backlog()) > 0:
        starts = [operations.Start()] * min(_BATCH, missing)
        operations.start_runs(workflow=definitions.BULK, starts=starts, actor=engine.ACTOR, now=timezone.now())


def _backlog() -> int:
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from workflows_activation where lane = 'bulk'")
        return int(cursor.fetchone()[0])


def _check_backlog() -> None:
    left = _backlog()
    if left < _QUEUED:
        raise BacklogTooShort(f"{left} bulk steps were left, {_QUEUED} must be: queue more of them")


def _drop_backlog() -> None:
    """These are private servers: what nobody waits for need not be worked off."""
    with connection.cursor() as cursor:
        cursor.execute("delete from workflows_activation where lane = 'bulk'")
        cursor.execute(
            "update workflows_run set state = 'cancelled', ended_at = now()"
            " where state = 'running' and workflow_name = %s",
            [definitions.BULK],
        )
