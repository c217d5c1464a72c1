"""`make bench`: measures the engine beside its floors. JSON lines go to stdout, the table to stderr.

python -m config.private_services --durable -- python -m benchmarks [ROW...] [--rounds N]
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson

from benchmarks import environment

environment.set_up_django()  # before the modules below import a model

from benchmarks import engine, machine, processes  # noqa: E402
from benchmarks.results import Result, table  # noqa: E402
from benchmarks.rows import (  # noqa: E402
    calls,
    critical_under_load,
    fan_out,
    history,
    intake,
    limit,
    memory,
    reconcile,
    schedules,
    sequence,
    start_latency,
    throughput,
    wide_map,
)

ROWS: dict[str, Callable[..., Sequence[Result]]] = {
    "sequence": sequence.measure,
    "throughput": throughput.measure,
    "fan-out": fan_out.measure,
    "start-latency": start_latency.measure,
    "wide-map": wide_map.measure,
    "limit": limit.measure,
    "intake": intake.measure,
    "schedules": schedules.measure,
    "calls": calls.measure,
    "memory": memory.measure,
    "critical-under-load": critical_under_load.measure,
    "prefetch": critical_under_load.measure_prefetch,
    "history": history.measure,
    "reconcile": reconcile.measure,
}
_ONLY_BY_NAME = ("prefetch", "history", "reconcile")


def main(argv: Sequence[str]) -> int:
    """This will measure the rows asked for, or all, and return 0 when they could be measured."""
    options = _parse(argv)
    processes.migrate()
    engine.publish()
    results: list[Result] = []
    for name in options.rows or [row for row in ROWS if row not in _ONLY_BY_NAME]:
        busy = machine.busy_share()
        more = {"runs": options.runs} if name == "history" else {}
        for result in ROWS[name](rounds=options.rounds, **more):
            results.append(replace(result, busy=busy))
            print(orjson.dumps(result.document()).decode(), flush=True)
    print(f"\n{table(results)}\n{_conditions()}", file=sys.stderr)
    return 0


def _conditions() -> str:
    load = ", ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{os.cpu_count()} processors, load {load}. `others`: how busy the machine was before the row. "
        "Only ratios compare between machines."
    )


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; without: all but {', '.join(_ONLY_BY_NAME)}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds, of which the median is taken")
    parser.add_argument("--runs", type=int, default=history.RUNS, help="how many finished runs the row `history` makes")
    options = parser.parse_args(argv)
    unknown = [row for row in options.rows if row not in ROWS]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}: choose from {', '.join(ROWS)}")
    if options.rounds < 1 or options.runs < 1:
        parser.error("--rounds and --runs must be 1 or more")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
