"""Makes the audit events of this app; payloads name keys and fields, never values of the two sides."""

from collections.abc import Mapping
from datetime import datetime

from audit.events import Actor, ActorKind, Event, EventKind
from reconciliation.models import Comparison, Job, Variance

ENGINE = Actor(kind=ActorKind.ENGINE)


def of_job(kind: EventKind, job: Job, *, actor: Actor, now: datetime, payload: Mapping[str, object]) -> Event:
    """This will say what happened to a job."""
    return Event(
        kind=kind,
        actor=actor,
        subject_type="reconciliation",
        subject_id=job.name,
        correlation_id=f"reconciliation/{job.name}",
        at=now,
        payload=payload,
    )


def of_comparison(
    kind: EventKind, row: Comparison, *, actor: Actor, now: datetime, payload: Mapping[str, object]
) -> Event:
    """This will say what became of a comparison."""
    return of_job(kind, row.job, actor=actor, now=now, payload={"comparison": row.pk, **payload})


def of_variance(
    kind: EventKind, row: Variance, *, job: str, actor: Actor, now: datetime, payload: Mapping[str, object]
) -> Event:
    """This will say what happened to a variance."""
    return Event(
        kind=kind,
        actor=actor,
        subject_type="variance",
        subject_id=str(row.pk),
        correlation_id=f"reconciliation/{job}",
        at=now,
        payload={"key": row.key, "kind": str(row.kind), **payload},
    )
