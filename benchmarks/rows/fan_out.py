"""Fan-out: one step, 200 items side by side, one step that joins them, beside a Celery chord on Redis."""

import time
from collections.abc import Sequence
from functools import partial

from benchmarks import bare_celery, definitions, engine
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result, interleave

_ITEMS = definitions.FAN_OUT_ITEMS
_RUNS = 3
_WARM_UP_RUNS = 5
_POLL_S = 0.001


def measure(*, rounds: int) -> Sequence[Result]:
    """This will measure one run after the other, each from its start until its end is seen."""
    with Processes() as processes, engine.watch() as watch:
        processes.start_worker()
        processes.start_scheduler()
        processes.start_bare_worker()
        engine.warm_up(watch, workflow=definitions.FAN_OUT, runs=_WARM_UP_RUNS)
        _floor()
        measured = interleave(ours=partial(_ours, watch, engine.Pace()), floor=_floor, rounds=rounds)
    value, floor = measured.medians
    return [
        Result(
            workload="fan-out",
            unit="ms",
            value=value,
            floor=floor,
            target=AtMost(0.35),
            n=_ITEMS,
            rounds=rounds,
        )
    ]


def _ours(watch: engine.Watch, pace: engine.Pace) -> float:
    runs = []
    total_s = 0.0
    for _ in range(_RUNS):
        began = time.perf_counter()
        runs.append(engine.start(definitions.FAN_OUT))
        watch.wait_until_all_ended(every_s=_POLL_S, rest_s=pace.rest_s)
        took_s = time.perf_counter() - began
        pace.learn(took_s)
        total_s += took_s
    watch.check(steps=3, since=runs)
    return total_s / _RUNS * 1000


def _floor() -> float:
    began = time.perf_counter()
    for _ in range(_RUNS):
        joined = bare_celery.fan_out_of(_ITEMS).apply_async()
        bare_celery.wait_for([joined], every_s=_POLL_S)
    return (time.perf_counter() - began) / _RUNS * 1000
