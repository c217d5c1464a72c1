"""Memory: our idle processes beside an idle child of a bare Celery worker that has Django loaded.

Figures are anonymous memory: all that a process has written, counted in full also where a fork still shares it. A
share of it (PSS) would set a forked child beside processes that were not forked. Every process has done some work
of its kind before, and rests.
"""

import time
from collections.abc import Callable, Sequence
from statistics import mean, median

from benchmarks import access, bare_celery, definitions, engine, machine
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result
from config.servers.children import Child

_TASKS = 50
_REST_S = 2.0
_LIMIT_S = 60
_MEBIBYTE = 1024 * 1024


def measure(*, rounds: int) -> Sequence[Result]:
    """This will read the memory of each kind of process in turn."""
    with Processes() as processes, engine.watch() as watch:
        worker = processes.start_worker()
        scheduler = processes.start_scheduler()
        bare = processes.start_bare_worker("benchmarks.bare_django")
        web, port = processes.start_web()
        _use(watch, port=port)
        readings: dict[str, Callable[[], float]] = {
            "worker child": lambda: _child_of(worker),
            "web": lambda: _child_of(web),
            "scheduler": lambda: _itself(scheduler),
        }
        time.sleep(_REST_S)
        rows = [(_child_of(bare), {name: read() for name, read in readings.items()}) for _ in range(rounds)]
    floor = median(floor for floor, _ in rows)
    return [
        Result(
            workload=f"memory {name}",
            unit="MiB",
            value=median(values[name] for _, values in rows),
            floor=floor,
            target=AtMost(1.2),
            n=1,
            rounds=rounds,
        )
        for name in readings
    ]


def _use(watch: engine.Watch, *, port: int) -> None:
    """A process that has never worked would look smaller than it is."""
    for _ in range(_TASKS):
        engine.start(definitions.THROUGHPUT)
        bare_celery.noop.apply_async(queue=bare_celery.DJANGO_QUEUE).get(timeout=_LIMIT_S)
    with access.connect(port) as client:
        for _ in range(_TASKS):
            client.send(access.start_request(client))
    watch.wait_until_all_ended(every_s=0.01)


def _child_of(parent: Child) -> float:
    return mean(_mebibytes(pid) for pid in machine.children_of(parent.pid))


def _itself(process: Child) -> float:
    return _mebibytes(process.pid)


def _mebibytes(pid: int) -> float:
    return machine.anonymous_bytes(pid) / _MEBIBYTE
