"""Reconcile: a million rows against a million, with a thousand planted faults of five kinds to be found exactly.

Twice: where both sides are summed first, so that only unequal buckets are read, and where a unit differs, so that every
row is. Each in a fresh process, whose peak of memory is a row of its own. It is measured only when asked for by name.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import orjson
import psycopg
from django.utils import timezone

from audit.events import Actor, ActorKind
from benchmarks import environment
from benchmarks.reconciliations import LEFT, RIGHT
from benchmarks.results import AtMost, Result
from reconciliation import operations

ROWS = 1_000_000
EACH = 200
MOST_MB = 300.0
_SUMMED, _READ = "bench-summed", "bench-read"
_MAKE = """
create table {table} as
select 'order-' || lpad((number * 7919 %% {rows})::text, 7, '0') as id, number as cents,
    round(number / 100.0, 2) as major, 'EUR' as currency,
    'customer' || number %% 50000 || '@example.com' as email, date '2026-01-01' + (number %% 365)::int as booked_on
from generate_series(0::bigint, {rows} - 1) as number
"""
_PLANT = (
    "delete from {left} where cents between 1000 and 999 + {each}",
    "delete from {right} where cents between 2000 and 1999 + {each}",
    "insert into {left} select * from {left} where cents between 3000 and 2999 + {each}",
    "insert into {right} select * from {right} where cents between 4000 and 3999 + {each}",
    "update {right} set cents = cents + 1, email = 'x' || email where cents between 500000 and 499999 + {each}",
)
PLANTED = {
    "missing_left": EACH,
    "missing_right": EACH,
    "duplicate_left": EACH,
    "duplicate_right": EACH,
    "differs": EACH,
}


class NotExact(Exception):
    """A comparison did not find what was planted."""


def measure(*, rounds: int) -> Sequence[Result]:
    """This will make the ledgers, and compare them in turns with the floor."""
    _make()
    found: dict[str, list[Mapping[str, Any]]] = {_SUMMED: [], _READ: [], "": []}  # Any: figures as JSON
    for _ in range(rounds):
        for job in found:
            found[job].append(_figures(job))
    floor_s = median(one["seconds"] for one in found[""])
    results: list[Result] = []
    for job, name, most in ((_SUMMED, "sums first", 1.5), (_READ, "every row read", 3.0)):
        seconds = [float(one["seconds"]) for one in found[job]]
        peaks = [float(one["peak_mb"]) for one in found[job]]
        shared = {"n": 2 * ROWS, "rounds": rounds}
        workload = f"reconcile: {name}"
        results.append(
            Result(workload=workload, unit="s", value=median(seconds), floor=floor_s, target=AtMost(most), **shared)
        )
        results.append(
            Result(
                workload=f"{workload}, memory",
                unit="MB at its peak",
                value=max(peaks),
                floor=MOST_MB,
                target=AtMost(1.0),
                **shared,
            )
        )
    return results


def _make() -> None:
    names = {"left": LEFT, "right": RIGHT, "each": EACH, "rows": ROWS}
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        for table in (LEFT, RIGHT):
            connection.execute(f"drop table if exists {table}")
            connection.execute(_MAKE.format(table=table, rows=ROWS).replace("%%", "%"))
        for statement in _PLANT:
            connection.execute(statement.format(**names))
        connection.execute(f"vacuum (analyze) {LEFT}, {RIGHT}")
    for job, amount in (
        (_SUMMED, {"compare": "money", "left": "cents", "right": "cents", "currency": "EUR"}),
        (_READ, {"compare": "money", "left": "major", "right": "cents", "unit": {"right": "minor"}, "currency": "EUR"}),
    ):
        source = orjson.dumps(_job(job, amount=amount)).decode()
        actor = Actor(kind=ActorKind.SYSTEM, id="benchmarks")
        operations.publish(source=source, actor=actor, now=timezone.now())


def _job(name: str, *, amount: Mapping[str, object]) -> Mapping[str, object]:
    sides = {
        side: {"function": {"call": "benchmarks.ledger", "args": {"table": table}}}
        for side, table in (("left", LEFT), ("right", RIGHT))
    }
    fields = {"amount": amount, "email": "text", "booked_on": "exact"}
    return {"name": name, **sides, "key": "id", "fields": fields, "amount": "amount"}


def _figures(job: str) -> Mapping[str, Any]:  # Any: figures as JSON
    """What one comparison in a process of its own says. Raises NotExact."""
    command = [sys.executable, "-m", "benchmarks.reconciling", *([job] if job else [])]
    done = subprocess.run(
        command, cwd=environment.ROOT, env=dict(environment.of_platform()), stdout=subprocess.PIPE, check=True
    )
    figures: Mapping[str, Any] = orjson.loads(done.stdout)  # Any: as above
    print(f"reconcile: {job or 'floor'} {figures}", file=sys.stderr)
    if job and figures["by_kind"] != PLANTED:
        raise NotExact(f"{job} found {figures['by_kind']}, planted were {PLANTED}")
    return figures
