"""Wide map: 10,000 items in the hands of two pullers, beside 10,000 bare commits from two processes."""

import os
import time
from collections.abc import Sequence
from functools import partial

from benchmarks import bare_commits, definitions, engine
from benchmarks.bare_commits import ItemWriters
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result, interleave

_ITEMS = definitions.WIDE_MAP_ITEMS
_POLL_S = 0.005


def measure(*, rounds: int) -> Sequence[Result]:
    """This will measure one run, from its start until its end is seen."""
    url = os.environ["DATABASE_URL"]
    bare_commits.make_tables(url)
    with (
        Processes() as processes,
        engine.watch() as watch,
        ItemWriters(url=url, processes=definitions.PARALLEL) as writers,
    ):
        processes.start_worker()
        processes.start_scheduler()
        _ours(watch)
        _floor(writers)
        measured = interleave(ours=partial(_ours, watch), floor=partial(_floor, writers), rounds=rounds)
    value, floor = measured.medians
    return [
        Result(
            workload="wide-map",
            unit="s",
            value=value,
            floor=floor,
            target=AtMost(1.5),
            n=_ITEMS,
            rounds=rounds,
        )
    ]


def _ours(watch: engine.Watch) -> float:
    began = time.perf_counter()
    run = engine.start(definitions.WIDE_MAP)
    watch.wait_until_all_ended(every_s=_POLL_S)
    took_s = time.perf_counter() - began
    watch.check(steps=3, since=[run])
    return took_s


def _floor(writers: ItemWriters) -> float:
    return writers.seconds_for(_ITEMS)
