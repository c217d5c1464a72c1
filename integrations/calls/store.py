"""The statements of the call ledger, many calls at once where many are at hand; it decides nothing.

A call is durable before it is sent. Its end is not waited for: the commit that ends the step makes it durable with its
own, and an end that a crash of the database forgets leaves a call that nobody knows the outcome of, which is the truth.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict
from uuid import UUID

import orjson
import psycopg
from django.db import connection

from integrations.call_models import Call, CallFile
from integrations.calls.files import KeptFile

_BEGIN = """
insert into integrations_call as call (
    key, run_id, workflow_name, step, index, round, correlation_id, adapter, connection, digest, is_safe, outcome,
    happened, is_uncertain, settled_by, attempts, look_ups, first_sent_at, last_sent_at, until_at, has_output)
select ask.key, ask.run_id, ask.workflow_name, ask.step, ask.index, ask.round, ask.correlation_id, ask.adapter,
    ask.connection, ask.digest, ask.is_safe, 'sending', null, false, '', 1, 0, statement_timestamp(),
    statement_timestamp(), statement_timestamp() + make_interval(secs => ask.timeout_s), false
from jsonb_to_recordset(%(asks)s::jsonb) as ask(
    key uuid, run_id uuid, workflow_name text, step text, index int, round int, correlation_id text, adapter text,
    connection text, digest text, is_safe boolean, timeout_s float8)
order by ask.run_id, ask.key
on conflict (run_id, key) do update
set attempts = call.attempts + 1, outcome = 'sending', happened = null, is_uncertain = false, settled_by = '',
    digest = excluded.digest, adapter = excluded.adapter, connection = excluded.connection, is_safe = excluded.is_safe,
    last_sent_at = excluded.last_sent_at, until_at = excluded.until_at, duration_ms = null
where call.happened is false or (call.is_safe and excluded.is_safe)
returning key, attempts
"""
"""Begins an attempt where nothing is in doubt: of a call that is new, did not happen, or changes nothing outside."""
_RESUME = """
update integrations_call as call
set attempts = call.attempts + 1, outcome = 'sending', happened = null, is_uncertain = true, settled_by = '',
    last_sent_at = statement_timestamp(), until_at = statement_timestamp() + make_interval(secs => %(timeout_s)s),
    duration_ms = null
where call.run_id = %(run_id)s and call.key = %(key)s and call.attempts = %(attempts)s
    and call.outcome = %(outcome)s and call.digest = %(digest)s
returning call.attempts
"""
"""Begins an attempt under the same key although an earlier one may have happened, unless the row has moved on."""
_END = """
with quick as materialized (select set_config('synchronous_commit', 'off', true))
update integrations_call as call
set outcome = done.outcome, happened = done.happened, settled_by = done.settled_by, is_uncertain = false,
    duration_ms = done.duration_ms, evidence = done.evidence, output = done.output, has_output = done.has_output
from quick, jsonb_to_recordset(%(ends)s::jsonb) as done(
    key uuid, run_id uuid, attempts int, outcome text, happened boolean, settled_by text, duration_ms float8,
    evidence jsonb, output jsonb, has_output boolean)
where call.run_id = any(%(run_ids)s::uuid[]) and call.run_id = done.run_id and call.key = done.key
    and call.attempts = done.attempts and call.outcome = 'sending'
"""
"""Ends attempts. One that a later attempt has overtaken, or somebody has settled, changes nothing."""


class Ask(TypedDict):
    """An attempt that wants to be sent, as `begin` takes it."""

    key: str
    run_id: str
    workflow_name: str
    step: str
    index: int | None
    round: int | None
    correlation_id: str
    adapter: str
    connection: str
    digest: str
    is_safe: bool
    timeout_s: float


class Done(TypedDict):
    """An attempt that has ended, as `end` takes it. `output` counts only with `has_output`."""

    key: str
    run_id: str
    attempts: int
    outcome: str
    happened: bool | None
    settled_by: str
    duration_ms: float
    evidence: object
    output: object
    has_output: bool
    files: Sequence[KeptFile]


def begin(asks: Sequence[Ask]) -> Sequence[int | None]:
    """This will make attempts durable; gives the number of each that may be sent, None for one in doubt.

    Of two attempts of one call, the second is in doubt.
    """
    calls = {ask["key"]: ask for ask in reversed(asks)}
    with _cursor() as cursor:
        rows = cursor.execute(_BEGIN, {"asks": _json(list(calls.values()))}, prepare=True).fetchall()
    begun = {str(key): int(attempts) for key, attempts in rows}
    return [begun.pop(ask["key"], None) for ask in asks]


def resume(call: Call, *, timeout_s: float) -> int | None:
    """This will begin another attempt of a call in doubt; None: somebody else has changed it meanwhile."""
    values = {
        "run_id": call.run_id,
        "key": call.key,
        "attempts": call.attempts,
        "outcome": call.outcome,
        "digest": call.digest,
        "timeout_s": timeout_s,
    }
    with _cursor() as cursor:
        row = cursor.execute(_RESUME, values, prepare=True).fetchone()
    return None if row is None else int(row[0])


def end(ends: Sequence[Done]) -> Sequence[None]:
    """This will store what attempts came to; one that was overtaken changes nothing.

    Files among it come first, so that whoever sees the end sees them.
    """
    rows = [
        CallFile(
            run_id=UUID(done["run_id"]),
            key=UUID(done["key"]),
            digest=one.digest,
            name=one.name,
            media_type=one.media_type,
            size_bytes=len(one.content),
            content=one.content,
        )
        for done in ends
        for one in done["files"]
    ]
    if rows:
        CallFile.objects.bulk_create(rows, ignore_conflicts=True)
        ends = [{**done, "files": ()} for done in ends]
    run_ids = list({UUID(done["run_id"]) for done in ends})
    with _cursor() as cursor:
        cursor.execute(_END, {"ends": _json(ends), "run_ids": run_ids}, prepare=True)
    return [None] * len(ends)


def find(*, run_id: UUID, key: UUID) -> Call | None:
    """This will read a call."""
    return Call.objects.filter(run_id=run_id, key=key).first()


def _json(rows: Sequence[Any]) -> str:  # Any: rows of any shape
    return orjson.dumps(rows).decode()


@contextmanager
def _cursor() -> Iterator["psycopg.Cursor[tuple[Any, ...]]"]:  # rows of any statement
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor
