"""Limit: 500 steps of one second for 50 slots on four worker processes, beside the time that 50 slots need at best."""

import time
from collections.abc import Sequence
from functools import partial

from benchmarks import definitions, engine
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result

_RUNS = 500
_WORKERS = 4
_CHILDREN = 14
_POLL_S = 0.02


def measure(*, rounds: int) -> Sequence[Result]:
    """This will measure from the first start until the last end is seen; the floor is arithmetic, not measured."""
    with Processes() as processes, engine.watch() as watch:
        for number in range(_WORKERS):
            processes.start_worker(name=f"bench{number}", children=_CHILDREN)
        processes.start_scheduler()
        engine.warm_up(watch, workflow=definitions.LIMIT, runs=1)
        measure_one = partial(_ours, watch)
        measure_one(runs=definitions.LIMIT_SLOTS * 2)
        times = sorted(measure_one(runs=_RUNS) for _ in range(rounds))
    return [
        Result(
            workload="limit",
            unit="s",
            value=times[len(times) // 2],
            floor=_RUNS * definitions.LIMIT_STEP_S / definitions.LIMIT_SLOTS,
            target=AtMost(1 / 0.95),
            n=_RUNS,
            rounds=rounds,
        )
    ]


def _ours(watch: engine.Watch, *, runs: int) -> float:
    began = time.perf_counter()
    ids = [engine.start(definitions.LIMIT) for _ in range(runs)]
    watch.wait_until_all_ended(every_s=_POLL_S)
    took_s = time.perf_counter() - began
    watch.check(steps=1, since=ids)
    return took_s
