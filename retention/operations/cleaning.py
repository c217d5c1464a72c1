"""Lets old months go: detached with their audit event in one transaction, then dropped; rows are never deleted.

What must be kept of a month is copied first, while others work. Then, in one short transaction, the copy is compared
with what must be kept now, and takes the place of the month. Killed anywhere, the next run goes on: copies that took no
place and months that were detached are found by their names, `..._kept` and `..._gone`, and dropped.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import OperationalError, connection, transaction

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from retention import ddl, partitions, queries
from retention.classes import DataClass, Divided, registered
from retention.core import policy
from retention.core.months import lower_bound
from retention.core.policy import Facts, Verdict
from retention.errors import MonthChanged
from retention.operations import locks
from retention.queries import Judged, Span

log = structlog.get_logger(__name__)
_TRIES = 30
_PAUSE_S = 0.5
_TIDY_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What became of an expired month. `rows` and `kept` count by table; `trouble` says why it did not go."""

    judged: Judged
    rows: Mapping[str, int]
    kept: Mapping[str, int]
    trouble: str = ""


def clean(*, now: datetime, actor: Actor, classes: Sequence[DataClass] | None = None) -> Sequence[Gone] | None:
    """This will let the months go whose time has come, and give what became of them; None: another process cleans.

    Young months are not in the answer; busy and held ones are. May be killed and repeated at any moment.
    """
    every = registered() if classes is None else classes
    with locks.alone() as is_mine:
        if not is_mine:
            return None
        _drop_leftovers(every)
        done: list[Gone] = []
        for data in every:
            expired = [one for one in queries.plan_of(data, now=now) if one.verdict is not Verdict.YOUNG]
            done.extend(_let_go(judged, now=now, actor=actor) for judged in expired)
            _tidy(data, now=now)
        return done


def _let_go(judged: Judged, *, now: datetime, actor: Actor) -> Gone:
    if not judged.verdict.is_due:
        return Gone(judged=judged, rows={}, kept={})
    span = judged.span
    rows = {part.name: queries.count_rows(part.name) for _table, part in span.parts}
    try:
        kept = _copy(span, now=now) if judged.verdict is Verdict.THIN else {}
        event = _event(span, rows=rows, kept=kept, proof=_proof(span), actor=actor, now=now)
        _swap_patiently(span, kept=kept, event=event, now=now)
    except (MonthChanged, OperationalError) as error:
        trouble = str(error).split("\n")[0]
        log.warning("month_stays", data=span.data.name, month=span.label, trouble=trouble)
        _drop_leftovers([span.data])
        return Gone(judged=judged, rows={}, kept={}, trouble=trouble)
    log.info("month_gone", data=span.data.name, month=span.label, rows=rows, kept=kept)
    _drop_leftovers([span.data])
    return Gone(judged=judged, rows=rows, kept=kept)


def _copy(span: Span, *, now: datetime) -> Mapping[str, int]:
    """Copy what must be kept into tables of their own; gives how many rows each has."""
    counts: dict[str, int] = {}
    with transaction.atomic():
        _select_kept(span, now=now)
        for table, part in span.parts:
            partitions.make_like(f"{part.name}_kept", pattern=f"{table.name}_default")
            counts[part.name] = partitions.copy_rows(part.name, target=f"{part.name}_kept", where=_is_kept(table))
    return counts


def _select_kept(span: Span, *, now: datetime) -> None:
    """What must be kept as it is now, for this transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"create temporary table retention_kept on commit drop as {span.data.kept}",
            queries.parameters_of(span, now=now),
        )
        cursor.execute("analyze retention_kept")


def _swap_patiently(span: Span, *, kept: Mapping[str, int], event: Event, now: datetime) -> None:
    """Others use the tables: ask for the lock briefly and often, instead of having them wait behind us."""
    for left in reversed(range(_TRIES)):
        try:
            with transaction.atomic():
                _swap(span, kept=kept, event=event, now=now)
            return
        except OperationalError:
            if not left:
                raise
            time.sleep(_PAUSE_S)


def _swap(span: Span, *, kept: Mapping[str, int], event: Event, now: datetime) -> None:
    locks.while_a_month_goes()
    for _table, part in span.parts:  # nobody changes what is old, while everybody may change what is new
        ddl.execute("lock table {} in share mode", part.name)
    _check(span, kept=kept, now=now)
    for table, part in span.parts:
        partitions.detach(part.name, table=table.name)
        ddl.execute("alter table {} rename to {}", part.name, f"{part.name}_gone")
        if kept:
            ddl.execute("alter table {} rename to {}", f"{part.name}_kept", part.name)
            partitions.attach(
                part.name, table=table.name, kind=span.data.kind, begins_at=span.begins_at, ends_at=span.ends_at
            )
    audit.record(event)


def _check(span: Span, *, kept: Mapping[str, int], now: datetime) -> None:
    """Raises MonthChanged unless the month may go as it was decided, with exactly what was copied staying."""
    facts: Facts = queries.facts_of(span, now=now)
    verdict = policy.judge(ends_at=span.ends_at, now=now, months=span.data.months(), facts=facts)
    if verdict is not (Verdict.THIN if kept else Verdict.DROP):
        raise MonthChanged(month=f"{span.data.name} {span.label}", what=f"it has become {verdict}")
    if not kept:
        return
    _select_kept(span, now=now)
    for table, part in span.parts:
        copy = f"{part.name}_kept"
        wanted = partitions.fingerprint(part.name, like=copy, where=_is_kept(table))
        if partitions.fingerprint(copy, like=copy, where="true") != wanted:
            raise MonthChanged(month=f"{span.data.name} {span.label}", what=f"rows of {part.name} have changed")


def _is_kept(table: Divided) -> str:
    return f"{table.match} in (select * from retention_kept)"  # noqa: S608  our own names


def _proof(span: Span) -> str:
    """SHA-256 of what the class gives for it, over all rows that go or stay; empty without."""
    if not span.data.proof:
        return ""
    digest = hashlib.sha256()
    for _table, part in span.parts:
        with transaction.atomic(), connection.chunked_cursor() as cursor:
            cursor.execute(span.data.proof.format(f'"{part.name}"'))
            for (value,) in cursor:
                digest.update(bytes(value))
    return digest.hexdigest()


def _event(
    span: Span, *, rows: Mapping[str, int], kept: Mapping[str, int], proof: str, actor: Actor, now: datetime
) -> Event:
    subject = f"{span.data.name}:{span.label}"
    payload: dict[str, object] = {"data": span.data.name, "until": span.ends_at.isoformat(), "rows": dict(rows)}
    if kept:
        payload["kept"] = dict(kept)
    if proof:
        payload["sha256"] = proof
    return Event(
        kind=EventKind.HISTORY_DROPPED,
        actor=actor,
        subject_type="history",
        subject_id=subject,
        correlation_id=subject,
        at=now,
        payload=payload,
    )


def _drop_leftovers(classes: Sequence[DataClass]) -> None:
    """Months that were detached, and copies that took no place."""
    for table in (table.name for data in classes for table in data.tables):
        with connection.cursor() as cursor:
            cursor.execute(
                "select relname from pg_class where relname ~ %s and relkind = 'r' and not relispartition"
                " and relnamespace = (select relnamespace from pg_class where oid = to_regclass(%s))",
                [f"^{table}_(earlier|default|[0-9]{{4}}_[0-9]{{2}})_(gone|kept)$", table],
            )
            names = [name for (name,) in cursor.fetchall()]
        for name in names:
            ddl.execute("drop table {}", name)


def _tidy(data: DataClass, *, now: datetime) -> None:
    """Rows of small tables whose run has gone, some thousands at a time."""
    limit = policy.expires_before(now=now, months=data.months())
    if limit is None:
        return
    for table, column in data.tidy:
        query = (
            f"delete from {table} where {column} in (select {column} from {table} as small"  # noqa: S608  our own names
            f" where {column} < %s and not exists (select from {data.main.name} as main"
            f" where main.{data.main.key} = small.{column}) limit {_TIDY_ROWS})"
        )
        while True:
            with connection.cursor() as cursor:
                cursor.execute(query, [lower_bound(limit, kind=data.kind)])
                if not cursor.rowcount:
                    break
