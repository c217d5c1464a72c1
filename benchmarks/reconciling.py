"""Compares the two ledgers in a process of its own: prints its time, its peak of memory and what it found, as JSON.

python -m benchmarks.reconciling JOB     a comparison by the platform
python -m benchmarks.reconciling         the floor: both tables read in the order of their keys, and nothing done
"""

import os
import resource
import sys
import time

import django
import orjson
import psycopg

from benchmarks.reconciliations import LEFT, RIGHT

_FETCHED = 5_000


def main(argv: list[str]) -> int:
    """This will do one of the two, and print its figures."""
    began = time.perf_counter()
    found = compared(argv[0]) if argv else {"rows": read()}
    figures = {
        **found,
        "seconds": time.perf_counter() - began,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(orjson.dumps(figures).decode())
    return 0


def compared(job: str) -> dict[str, object]:
    """This will compare a job, from its beginning until its variances are committed."""
    django.setup()  # the environment is that of the platform already
    from django.utils import timezone  # noqa: PLC0415 - Django is set up only now

    from audit.events import Actor, ActorKind  # noqa: PLC0415
    from reconciliation import comparing  # noqa: PLC0415

    actor = Actor(kind=ActorKind.SYSTEM, id="benchmarks")
    row = comparing.carry_out(name=job, is_dry_run=False, actor=actor, now=timezone.now())
    return {"by_kind": row.by_kind, "rows": row.left_rows + row.right_rows, "skipped": row.skipped, "id": row.pk}


def read() -> int:
    """This will read both tables side by side, sorted, through server-side cursors of one bare connection."""
    rows = 0
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        cursors = []
        for table in (LEFT, RIGHT):
            cursor = connection.cursor(name=table)
            cursor.itersize = _FETCHED
            sql = f'select id, cents, major, currency, email, booked_on from {table} order by id collate "C"'
            cursors.append(cursor.execute(sql))
        while batches := [batch for batch in (cursor.fetchmany(_FETCHED) for cursor in cursors) if batch]:
            rows += sum(len(batch) for batch in batches)
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
