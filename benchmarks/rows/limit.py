"""A legacy database with 50 connections: 500 waiting steps of one second on four worker processes.

The other side counts by itself how many connections are open at once; the row fails when they were ever more than 50.
Then the same while two of the four workers are killed with all they hold, and again with two new ones, to see
whether a slot was lost. The time is beside what 50 slots need at best, which is arithmetic.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import definitions, engine
from benchmarks.counting_peer import CountingPeer
from benchmarks.engine import RunsFailed, Watch
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result
from config.servers.children import Child
from workflows import capacity, limit_store

_RUNS = 500
_WORKERS = 4
_KILLED = 2
_CHILDREN = 14
_POLL_S = 0.02
_TRIES = 20
_SLOTS = definitions.LIMIT_SLOTS
_BEST_S = _RUNS * definitions.LIMIT_STEP_S / _SLOTS


@dataclass(frozen=True, slots=True)
class _Bench:
    watch: Watch
    peer: CountingPeer

    def wait_for_workers(self) -> None:
        """Short rounds until all slots are in use at once: those workers that are there have fewer children."""
        for _ in range(_TRIES):
            self.peer.peak = 0
            self.seconds(runs=_SLOTS * 2)
            if self.peer.peak == _SLOTS:
                return
        raise RunsFailed(f"at most {self.peer.peak} slots were in use at once: workers are missing")

    def seconds(self, *, runs: int) -> float:
        """From the first start until the last end is seen."""
        began = time.perf_counter()
        ids = [engine.start(definitions.LIMIT, value={"port": self.peer.port}) for _ in range(runs)]
        self.watch.wait_until_all_ended(every_s=_POLL_S)
        took_s = time.perf_counter() - began
        self.watch.check(steps=1, since=ids)
        self.check()
        return took_s

    def seconds_with_deaths(self, victims: Sequence[Child]) -> float:
        """The same, while workers are killed with half of the slots in their hands."""
        began = time.perf_counter()
        ids = [engine.start(definitions.LIMIT, value={"port": self.peer.port}) for _ in range(_RUNS)]
        while self.peer.open < _SLOTS * 0.8:
            time.sleep(_POLL_S)
        for victim in victims:
            victim.kill()
        self.watch.wait_until_all_ended(every_s=_POLL_S)
        self.watch.check(steps=1, since=ids)
        self.check()
        return time.perf_counter() - began

    def check(self) -> None:
        """Raises RunsFailed when the other side saw too many, or a slot is held by nobody who lives."""
        report = capacity.report(name=definitions.LIMIT_NAME)
        leaked = limit_store.slots_leaked()
        if self.peer.peak > _SLOTS or report.held or report.waiting or leaked:
            raise RunsFailed(f"at most {self.peer.peak} connections; {report}; slots leaked: {leaked}")


def measure(*, rounds: int) -> Sequence[Result]:
    """This will give the time with all workers alive, and with new ones after two were killed."""
    with Processes() as processes, engine.watch() as watch, CountingPeer() as peer:
        bench = _Bench(watch, peer)
        workers = [processes.start_worker(name=f"bench{number}", children=_CHILDREN) for number in range(_WORKERS)]
        processes.start_scheduler()
        engine.warm_up(watch, workflow=definitions.LIMIT, runs=1, value={"port": peer.port})
        bench.wait_for_workers()
        before = sorted(bench.seconds(runs=_RUNS) for _ in range(rounds))
        killed_s = bench.seconds_with_deaths(workers[:_KILLED])
        print(f"limit: {_KILLED} of {_WORKERS} workers killed: {killed_s:.1f} s, no slot lost", file=sys.stderr)
        for number in range(_KILLED):
            processes.start_worker(name=f"new{number}", children=_CHILDREN)
        bench.wait_for_workers()
        after = sorted(bench.seconds(runs=_RUNS) for _ in range(rounds))
        print(f"limit: never more than {_SLOTS} connections at once of {peer.served}", file=sys.stderr)
    return [_result("limit", before), _result("limit after deaths", after)]


def _result(workload: str, times: Sequence[float]) -> Result:
    return Result(
        workload=workload,
        unit="s",
        value=times[len(times) // 2],
        floor=_BEST_S,
        target=AtMost(1 / 0.95),
        n=_RUNS,
        rounds=len(times),
    )
