"""Looks for what may be wrong, of the kinds that rules ask for; it judges and changes nothing."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.utils.module_loading import import_string

from audit import queries as trail
from audit import verify
from automation import schedule_queries
from automation.alerting.rule import RuleKind, Sign
from automation.doctor import asking, diagnosis
from automation.doctor.finding import Level
from retention import queries as retention
from workflows import condition, incident_queries
from workflows.core.states import IncidentState

log = structlog.get_logger(__name__)
_MOST = 500
_LATEST = 200
_OPEN = (IncidentState.OPEN, IncidentState.RESOLVING)


def look(
    kinds: Collection[RuleKind], *, now: datetime, named: Collection[str] = ()
) -> Mapping[RuleKind, Sequence[Sign]]:
    """This will give the signs of each kind; a kind nobody could look for, as its store is away, is left out.

    `named` are lanes that must have a worker even when nothing waits in them.
    """
    found: dict[RuleKind, Sequence[Sign]] = {}
    for kind in kinds:
        try:
            found[kind] = _LOOKS[kind](now, named)
        except DatabaseError:
            raise
        except Exception:  # the broker has many kinds of being away, and the others must be looked for
            log.warning("alert_signs_unknown", kind=kind, exc_info=True)
    return found


def _incidents(_now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    rows = list(incident_queries.incidents(states=_OPEN)[:_MOST])
    tallies = incident_queries.tallies(rows)
    return [
        Sign(
            kind=RuleKind.INCIDENT,
            object=row.fingerprint,
            scope=row.workflow_name,
            count=tallies[row.fingerprint].total,
            words=f"{' '.join(part for part in (row.workflow_name, row.step) if part) or 'message'}: {row.title}",
            page=f"/admin/workflows/incident/{row.fingerprint}/change/",
        )
        for row in rows
    ]


def _limits(now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    return [
        Sign(
            kind=RuleKind.LIMIT,
            object=line.limit,
            count=line.waiting,
            age_s=_age_s(line.oldest_at, now=now),
            words=f"{line.waiting} steps wait for the limit {line.limit}, the oldest since {_told(line.oldest_at)}",
            page="/admin/workflows/limit/",
        )
        for line in condition.lines()
    ]


def _lanes(now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    return [
        Sign(
            kind=RuleKind.LANE,
            object=one.lane,
            count=one.ready,
            age_s=_age_s(one.oldest_at, now=now),
            words=f"{one.ready} segments wait in the lane {one.lane}, the oldest since {_told(one.oldest_at)}",
        )
        for one in condition.backlogs(now=now)
    ]


def _workers(now: datetime, named: Collection[str]) -> Sequence[Sign]:
    ages = {one.lane: _age_s(one.oldest_at, now=now) for one in condition.backlogs(now=now)}
    wanted = [queue for queue in asking.queues() if queue.consumers == 0 and queue.name in settings.LANES]
    return [
        Sign(
            kind=RuleKind.WORKER,
            object=queue.name,
            age_s=ages.get(queue.name, 0.0),
            words=f"no worker reads the lane {queue.name}",
        )
        for queue in wanted
        if queue.name in named or queue.name in ages
    ]


def _schedules(now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    return [
        Sign(
            kind=RuleKind.SCHEDULE,
            object=missed.name,
            age_s=(now - missed.due_at).total_seconds(),
            words=f"the schedule {missed.name} was due at {missed.due_at.isoformat()} and did not fire",
            page=f"/admin/automation/schedule/{missed.schedule_id}/change/",
        )
        for missed in schedule_queries.missed_fires(now=now)
    ]


def _history(now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    return [
        Sign(kind=RuleKind.HISTORY, object=problem.partition(":")[0][:300], words=problem)
        for problem in retention.problems(now=now)
    ]


def _variances(now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    """The app that knows them is beside this one: settings say where to ask."""
    look_there = import_string(settings.ALERT_SIGNS[RuleKind.VARIANCE])
    return [Sign(kind=RuleKind.VARIANCE, **one) for one in look_there(now=now)]


def _audit(_now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    """The latest events are proven again at each look; all of them by `automation audit verify`."""
    changed = verify.verify(trail.page(after_id=trail.latest_id() - _LATEST, limit=_LATEST))
    return [
        *(
            Sign(kind=RuleKind.AUDIT, object=table, words=f"nothing keeps {table} from being changed")
            for table in trail.unguarded_tables()
        ),
        *(
            Sign(kind=RuleKind.AUDIT, object=f"event {one}", words=f"event {one} was changed after it was recorded")
            for one in changed
        ),
    ]


def _findings(_now: datetime, _named: Collection[str]) -> Sequence[Sign]:
    """What the doctor says, with what mends it."""
    return [
        Sign(
            kind=RuleKind.FINDING,
            object=f"{found.code} {found.where}"[:300],
            scope=found.code,
            words=f"{found.where}: {found.what} ({found.why}). {found.mend}",
        )
        for found in diagnosis.diagnose(asking.ask())
        if found.level is not Level.OK
    ]


def _told(since: datetime | None) -> str:
    return "a moment ago" if since is None else since.isoformat(timespec="seconds")


def _age_s(since: datetime | None, *, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


_LOOKS: Mapping[RuleKind, Callable[[datetime, Collection[str]], Sequence[Sign]]] = {
    RuleKind.INCIDENT: _incidents,
    RuleKind.LIMIT: _limits,
    RuleKind.LANE: _lanes,
    RuleKind.WORKER: _workers,
    RuleKind.SCHEDULE: _schedules,
    RuleKind.HISTORY: _history,
    RuleKind.VARIANCE: _variances,
    RuleKind.AUDIT: _audit,
    RuleKind.FINDING: _findings,
}
