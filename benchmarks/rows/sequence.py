"""Sequence: a run of 40 steps that do nothing, beside one durable commit for each step from a bare driver."""

import os
import sys
import time
from collections.abc import Sequence
from functools import partial

import psycopg

from benchmarks import bare_commits, definitions, engine
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result, interleave

_STEPS = definitions.SEQUENCE_STEPS
_RUNS = 10
_WARM_UP_RUNS = 20
_POLL_S = 0.0005


def measure(*, rounds: int) -> Sequence[Result]:
    """This will measure from the start of a run until its end is seen, by the step."""
    url = os.environ["DATABASE_URL"]
    bare_commits.make_tables(url)
    with Processes() as processes, engine.watch() as watch, psycopg.connect(url) as bare:
        processes.start_worker()
        processes.start_scheduler()
        engine.warm_up(watch, workflow=definitions.SEQUENCE, runs=_WARM_UP_RUNS)
        form = _fastest(bare)
        measured = interleave(
            ours=partial(_ours, watch, engine.Pace()), floor=partial(_floor, bare, form), rounds=rounds
        )
    value, floor = measured.medians
    return [
        Result(
            workload="sequence",
            unit="ms/step",
            value=value,
            floor=floor,
            target=AtMost(1.6),
            n=_STEPS * _RUNS,
            rounds=rounds,
        )
    ]


def _ours(watch: engine.Watch, pace: engine.Pace) -> float:
    runs = []
    total_s = 0.0
    for _ in range(_RUNS):
        began = time.perf_counter()
        runs.append(engine.start(definitions.SEQUENCE))
        watch.wait_until_all_ended(every_s=_POLL_S, rest_s=pace.rest_s)
        took_s = time.perf_counter() - began
        pace.learn(took_s)
        total_s += took_s
    watch.check(steps=_STEPS, since=runs)
    return total_s / (_RUNS * _STEPS) * 1000


def _floor(connection: bare_commits.Driver, form: bare_commits.Form) -> float:
    total_s = 0.0
    for _ in range(_RUNS):
        steps = bare_commits.steps_of_run(connection, steps=_STEPS)
        began = time.perf_counter()
        form(connection, steps)
        total_s += time.perf_counter() - began
    return total_s / (_RUNS * _STEPS) * 1000


def _fastest(connection: bare_commits.Driver) -> bare_commits.Form:
    """The floor is the best that the driver can do here."""
    for form in bare_commits.FORMS:
        _floor(connection, form)  # prepares its statements
    times = {form: min(_floor(connection, form) for _ in range(3)) for form in bare_commits.FORMS}
    best = min(bare_commits.FORMS, key=lambda form: times[form])
    listed = ", ".join(f"{form.__name__} {took_ms:.3f}" for form, took_ms in times.items())
    print(f"sequence: floor in ms/step: {listed}; taken: {best.__name__}", file=sys.stderr)
    return best
