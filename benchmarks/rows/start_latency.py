"""Start latency on an idle system: from sending `POST /api/v1/runs` to the first step, beside Celery's `delay()`."""

import random
import time
from collections.abc import Sequence
from statistics import median
from uuid import UUID

import orjson

from benchmarks import access, bare_celery, definitions, engine
from benchmarks.http_client import KeepAliveClient
from benchmarks.processes import Processes
from benchmarks.results import AtMost, Result, percentile

_SAMPLES = 100
_WARM_UP_SAMPLES = 20
_LIMIT_S = 30
_TARGETS = {50: AtMost(3.0), 99: AtMost(4.0)}


def measure(*, rounds: int) -> Sequence[Result]:
    """This will take ours and the floor's samples in turn, with pauses between, and give p50 and p99."""
    with Processes() as processes, engine.watch() as watch:
        processes.start_worker()
        processes.start_scheduler()
        processes.start_bare_worker()
        _, port = processes.start_web()
        with access.connect(port) as client:
            engine.warm_up(watch, workflow=definitions.START, runs=10)
            _round(client, watch=watch, samples=_WARM_UP_SAMPLES)
            measured = [_round(client, watch=watch, samples=_SAMPLES) for _ in range(rounds)]
    return [_result(measured, percent=percent) for percent in _TARGETS]


def _result(measured: Sequence[tuple[Sequence[float], Sequence[float]]], *, percent: int) -> Result:
    return Result(
        workload=f"start-latency p{percent}",
        unit="ms",
        value=median(percentile(ours, percent=percent) for ours, _ in measured),
        floor=median(percentile(floor, percent=percent) for _, floor in measured),
        target=_TARGETS[percent],
        n=_SAMPLES,
        rounds=len(measured),
    )


def _round(client: KeepAliveClient, *, watch: engine.Watch, samples: int) -> tuple[Sequence[float], Sequence[float]]:
    request = access.start_request(client)
    sent_at: dict[UUID, float] = {}
    floor: list[float] = []
    for _ in range(samples):
        began = time.time()
        sent_at[UUID(orjson.loads(client.send(request))["id"])] = began
        _pause()
        floor.append(_bare_sample())
    watch.wait_until_all_ended(every_s=0.01)
    started_at = watch.outputs([*sent_at])
    return [(started_at[run] - began) * 1000 for run, began in sent_at.items()], floor


def _bare_sample() -> float:
    began = time.time()
    result = bare_celery.stamp.delay()
    _pause()
    return (float(result.get(timeout=_LIMIT_S)) - began) * 1000


def _pause() -> None:
    """Random, so that samples do not keep step with anything that happens at intervals."""
    time.sleep(random.uniform(0.05, 0.15))
