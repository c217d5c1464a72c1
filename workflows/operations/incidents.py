"""Opens, assigns and settles incidents; it never requeues anything. What closes one is the success of its work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db import transaction

from audit import operations as audit
from audit.events import Actor, ActorKind, EncodedEvent, Event, EventKind, encode
from workflows import incident_queries, incident_store
from workflows.core import fingerprint, trial
from workflows.core.states import INCIDENT_TRANSITIONS, IncidentState
from workflows.errors import UnknownIncident
from workflows.incident_store import FailureRow
from workflows.models import Incident

ENGINE = Actor(kind=ActorKind.ENGINE)
_BATCH = 1_000
_TITLE_CHARS = 300
_EXAMPLE_CHARS = 2_000
_EVENTS: Mapping[IncidentState, EventKind] = {
    IncidentState.OPEN: EventKind.INCIDENT_FAILED_AGAIN,
    IncidentState.RESOLVING: EventKind.INCIDENT_RESOLVING,
    IncidentState.RESOLVED: EventKind.INCIDENT_RESOLVED,
    IncidentState.DISCARDED: EventKind.INCIDENT_DISCARDED,
}


@dataclass(frozen=True)
class Cause:
    """What failed, where and how; `step` is empty where a run itself failed."""

    workflow_name: str
    step: str
    kind: str
    message: str

    @cached_property
    def fingerprint(self) -> str:
        """This will give what equal failures share."""
        return fingerprint.fingerprint(
            workflow=self.workflow_name, step=self.step, kind=self.kind, message=self.message
        )


def raise_for(causes: Sequence[Cause], *, at: datetime) -> None:
    """This will have an open incident for each cause, inside the open transaction."""
    distinct = {cause.fingerprint: cause for cause in causes}
    incident_store.raise_incidents(failures=[_row(cause, at=at) for _, cause in sorted(distinct.items())])


def put_on_trial(found: str, *, actor: Actor, now: datetime) -> None:
    """This will note that work of an incident was requeued, inside the open transaction."""
    waiting = Incident.objects.select_for_update().filter(fingerprint=found)
    incident = waiting.exclude(state=IncidentState.RESOLVING).first()
    if incident is not None:
        _change(incident, state=IncidentState.RESOLVING, actor=actor, now=now, reason="")


def settle(found: str, *, actor: Actor, now: datetime, reason: str = "") -> IncidentState | None:
    """This will have an incident say what its failures say, inside the open transaction; None: there is none."""
    incident = Incident.objects.select_for_update().filter(fingerprint=found).first()
    if incident is None:
        return None
    return _settle(incident, actor=actor, now=now, reason=reason)


def sweep(*, now: datetime) -> int:
    """This will count new failures and settle the incidents they or finished trials concern; gives how many."""
    found = set(incident_store.count_failures(limit=_BATCH))
    found.update(incident_queries.resolving(limit=_BATCH))
    for one in sorted(found):
        with transaction.atomic():
            # One that is locked is being changed: it is looked at again in a moment.
            incident = Incident.objects.select_for_update(skip_locked=True).filter(fingerprint=one).first()
            if incident is not None:
                _settle(incident, actor=ENGINE, now=now, reason="")
    return len(found)


def assign_incident(*, found: str, owner: str, actor: Actor, now: datetime) -> Incident:
    """This will say who looks after an incident; nobody where `owner` is empty. Raises UnknownIncident."""
    with transaction.atomic():
        incident = Incident.objects.select_for_update().filter(fingerprint=found).first()
        if incident is None:
            raise UnknownIncident(found)
        if incident.owner != owner:
            before, incident.owner = incident.owner, owner
            incident.save(update_fields=["owner"])
            payload = {"before": before, "after": owner}
            audit.record(event_of(EventKind.INCIDENT_ASSIGNED, found=found, actor=actor, now=now, payload=payload))
    return incident


def event_of(
    kind: EventKind, *, found: str, actor: Actor, now: datetime, payload: Mapping[str, object] | None = None
) -> Event:
    """This will state something that happened to an incident."""
    return Event(
        kind=kind,
        actor=actor,
        subject_type="incident",
        subject_id=found,
        correlation_id=found,
        at=now,
        payload=payload or {},
    )


def _settle(incident: Incident, *, actor: Actor, now: datetime, reason: str) -> IncidentState:
    state = IncidentState(incident.state)
    after = trial.state_after(state, evidence=incident_queries.evidence_of(incident))
    if after is not state:
        _change(incident, state=after, actor=actor, now=now, reason=reason)
    return after


def _change(incident: Incident, *, state: IncidentState, actor: Actor, now: datetime, reason: str) -> None:
    before = IncidentState(incident.state)
    if state not in INCIDENT_TRANSITIONS[before]:
        raise ValueError(f"incident {incident.fingerprint} is {before}: it cannot become {state}")
    incident.state, incident.changed_at, incident.reason = state, now, reason
    kind = _EVENTS[state]
    if before.is_over:
        incident.reopened += 1
        incident.opened_at = now
        kind = EventKind.INCIDENT_REOPENED if state is IncidentState.OPEN else kind
    incident.save(update_fields=["state", "changed_at", "reason", "reopened", "opened_at"])
    payload = {"before": before.value, "reason": reason}
    audit.record(event_of(kind, found=incident.fingerprint, actor=actor, now=now, payload=payload))


def _row(cause: Cause, *, at: datetime) -> FailureRow:
    title = fingerprint.template(cause.message)[:_TITLE_CHARS]
    return {
        "fingerprint": cause.fingerprint,
        "workflow_name": cause.workflow_name,
        "step": cause.step,
        "kind": cause.kind,
        "title": title,
        "example": cause.message[:_EXAMPLE_CHARS],
        "at": at.isoformat(),
        "opened": _encoded(EventKind.INCIDENT_OPENED, cause=cause, at=at),
        "failed_again": _encoded(EventKind.INCIDENT_FAILED_AGAIN, cause=cause, at=at),
        "reopened": _encoded(EventKind.INCIDENT_REOPENED, cause=cause, at=at),
    }


def _encoded(kind: EventKind, *, cause: Cause, at: datetime) -> EncodedEvent:
    payload = {"workflow": cause.workflow_name, "step": cause.step, "failure": cause.kind}
    return encode(event_of(kind, found=cause.fingerprint, actor=ENGINE, now=at, payload=payload))
