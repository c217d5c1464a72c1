"""Throughput: 500 runs of 3 steps, one client, from the first submit to the end of the last run."""

import time
from collections.abc import Sequence
from functools import partial

from benchmarks import bare_celery, definitions, engine
from benchmarks.processes import Processes
from benchmarks.results import AtLeast, Result, interleave

_RUNS = 500
_STEPS = definitions.CHAIN_STEPS
_WARM_UP_RUNS = 100
_POLL_S = 0.003


def measure(*, rounds: int) -> Sequence[Result]:
    """This will measure steps per second; each run is submitted on its own, as applications do."""
    with Processes() as processes, engine.watch() as watch:
        processes.start_worker()
        processes.start_scheduler()
        processes.start_bare_worker()
        engine.warm_up(watch, workflow=definitions.THROUGHPUT, runs=5)
        _ours(watch, runs=_WARM_UP_RUNS)
        _floor(runs=_WARM_UP_RUNS)
        measured = interleave(ours=partial(_ours, watch, runs=_RUNS), floor=partial(_floor, runs=_RUNS), rounds=rounds)
    value, floor = measured.medians
    return [
        Result(
            workload="throughput",
            unit="steps/s",
            value=value,
            floor=floor,
            target=AtLeast(2.0),
            n=_RUNS,
            rounds=rounds,
        )
    ]


def _ours(watch: engine.Watch, *, runs: int) -> float:
    began = time.perf_counter()
    started = [engine.start(definitions.THROUGHPUT) for _ in range(runs)]
    watch.wait_until_all_ended(every_s=_POLL_S)
    seconds = time.perf_counter() - began
    watch.check(steps=_STEPS, since=started)
    return runs * _STEPS / seconds


def _floor(*, runs: int) -> float:
    began = time.perf_counter()
    submitted = [bare_celery.chain_of(_STEPS).apply_async() for _ in range(runs)]
    bare_celery.wait_for(submitted, every_s=_POLL_S)
    return runs * _STEPS / (time.perf_counter() - began)
