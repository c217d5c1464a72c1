"""History: the rows of short work again with a million finished runs in the tables, beside the same on empty ones.

Each side is a ratio to its own floor, measured in the same minutes, so that what the machine does meanwhile counts for
neither. It makes several gigabytes of rows, so it is measured only when it is asked for by name.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import psycopg

from benchmarks import definitions, engine
from benchmarks.results import AtLeast, AtMost, Result
from benchmarks.rows import fan_out, sequence, start_latency, throughput, wide_map

RUNS = 1_000_000
_BATCH = 50_000
_DAYS = 14
_TARGET = AtMost(1.15)
_ROWS: Sequence[Callable[..., Sequence[Result]]] = (
    sequence.measure,
    throughput.measure,
    fan_out.measure,
    start_latency.measure,
    wide_map.measure,
)
_MAKE = """
create temporary table made as
select number,
    (lpad(to_hex(ms), 12, '0') || '7' || substr(noise, 1, 3) || '8' || substr(noise, 4, 15))::uuid as id,
    to_timestamp(ms / 1000.0) as at
from (
    select number, md5(number::text) as noise,
        (extract(epoch from now()) * 1000)::bigint - %(back_ms)s + number * %(back_ms)s / %(runs)s as ms
    from generate_series(%(first)s::bigint, %(last)s::bigint) as number
) as one;
"""
_FILL = (
    """
insert into workflows_run (id, workflow_name, version_id, state, input, output, error, correlation_id, traceparent,
    started_by, priority, round, start_digest, created_at, ended_at)
select id, %(workflow)s, %(version)s,
    case when number %% 50 = 0 then 'failed' when number %% 200 = 1 then 'cancelled' else 'succeeded' end,
    '{"order": 1}', null, null, 'past-' || number, '', 'system:benchmarks', 0, 0, '', at, at + interval '1 second'
from made
""",
    """
insert into workflows_step (run_id, step, state, output, error, attempts, started_at, ended_at)
select id, 's' || step, 'succeeded', '{"done": true}', null, 1, at, at + interval '10 ms' * step
from made, generate_series(0, 2) as step
""",
    """
insert into audit_event (at, kind, actor, subject_type, subject_id, correlation_id, payload, digest)
select at + interval '10 ms' * step, 'step.succeeded', 'engine', 'run', id::text, 'past-' || number,
    '{"attempt":1,"step":"s' || step || '"}', sha256((id::text || step)::bytea)
from made, generate_series(0, 4) as step
""",
)


def measure(*, rounds: int, runs: int = RUNS) -> Sequence[Result]:
    """This will measure, fill the tables with so many runs, and measure again."""
    before = _measured(rounds)
    began = time.monotonic()
    fill(runs=runs)
    print(f"history: {runs} finished runs made in {time.monotonic() - began:.0f} s", file=sys.stderr)
    after = _measured(rounds)
    return [_compared(before[workload], after[workload], runs=runs) for workload in before]


def fill(*, runs: int) -> None:
    """This will make so many finished runs of the last two weeks, with three steps and five audit events each."""
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("set synchronous_commit = off")
        workflow = definitions.THROUGHPUT
        (version,) = _one(
            connection,
            "select version.id from workflows_workflowversion as version"
            " join workflows_workflow as workflow on workflow.id = version.workflow_id where name = %s",
            workflow,
        )
        for first in range(0, runs, _BATCH):
            span = {"first": first, "last": min(first + _BATCH, runs) - 1, "runs": runs, "back_ms": _DAYS * 86_400_000}
            with connection.transaction(), connection.cursor() as cursor:
                psycopg.ClientCursor(connection).execute(_MAKE, span)
                for statement in _FILL:
                    cursor.execute(statement, {"workflow": workflow, "version": version})
                cursor.execute("drop table made")
        connection.execute("vacuum (analyze) workflows_run, workflows_step, audit_event")


def _one(connection: psycopg.Connection, query: str, *params: object) -> tuple[int]:
    row = connection.execute(query, params).fetchone()
    if row is None:
        raise engine.RunsFailed("the workflow of the history is not published")
    return row


def _measured(rounds: int) -> Mapping[str, Result]:
    return {result.workload: result for row in _ROWS for result in row(rounds=rounds)}


def _compared(before: Result, after: Result, *, runs: int) -> Result:
    """A rate is turned over: what is compared is always how much longer something takes."""
    is_rate = isinstance(before.target, AtLeast)
    return Result(
        workload=f"history: {before.workload}",
        unit="of floor",
        value=1 / after.ratio if is_rate else after.ratio,
        floor=1 / before.ratio if is_rate else before.ratio,
        target=_TARGET,
        n=runs,
        rounds=before.rounds,
    )
