"""Reads of incidents and their failures, each with a named order; they change nothing and read no history through."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from workflows.core.definition import JsonValue
from workflows.core.selection import Selection
from workflows.core.states import DeadLetterState, IncidentState, PoisonState, TrialState
from workflows.core.trial import Evidence
from workflows.errors import UnknownIncident
from workflows.models import DeadLetter, Incident, IncidentHour, InputOverride, PoisonMessage

OPEN_CAP = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many failures an incident has: ever, open, and requeued without success yet. Past the cap none is counted."""

    total: int
    open: int
    pending: int


def get_incident(*, found: str) -> Incident:
    """This will read an incident by its fingerprint. Raises UnknownIncident."""
    incident = Incident.objects.filter(fingerprint=found).first()
    if incident is None:
        raise UnknownIncident(found)
    return incident


def incidents(*, states: Collection[str] = (), workflow: str | None = None) -> QuerySet[Incident]:
    """This will select incidents, the latest seen first; of some states or one workflow, if that is asked for."""
    rows = Incident.objects.filter(state__in=states) if states else Incident.objects.all()
    rows = rows if workflow is None else rows.filter(workflow_name=workflow)
    return rows.order_by("-last_seen_at", "fingerprint")


def letters(*, ids: Collection[int], fields: Sequence[str]) -> Sequence[Mapping[str, object]]:
    """This will read some columns of dead letters; of those that are gone nothing."""
    return list(DeadLetter.objects.filter(id__in=ids).order_by("id").values(*fields))


def by_fingerprint(*, found: Collection[str], fields: Sequence[str]) -> Sequence[Mapping[str, object]]:
    """This will read some columns of incidents."""
    return list(Incident.objects.filter(fingerprint__in=found).order_by("fingerprint").values(*fields))


def resolving(*, limit: int) -> Sequence[str]:
    """This will give incidents that wait for the success of their work, those longest in it first."""
    rows = Incident.objects.filter(state=IncidentState.RESOLVING).order_by("changed_at")
    return list(rows.values_list("fingerprint", flat=True)[:limit])


def evidence_of(incident: Incident) -> Evidence:
    """This will say what the failures of an incident have come to since it was opened."""
    letters = DeadLetter.objects.filter(fingerprint=incident.fingerprint)
    messages = PoisonMessage.objects.filter(fingerprint=incident.fingerprint)
    proven = letters.filter(trial=TrialState.SUCCEEDED, trial_ended_at__gte=incident.opened_at)
    recovered = messages.filter(state=PoisonState.RECOVERED, changed_at__gte=incident.opened_at)
    return Evidence(
        has_open=letters.filter(state=DeadLetterState.OPEN).exists()
        or messages.filter(state=PoisonState.OPEN).exists(),
        has_pending=letters.filter(trial=TrialState.PENDING).exists(),
        has_succeeded=proven.exists() or recovered.exists(),
    )


def tallies(incidents: Collection[Incident]) -> Mapping[str, Tally]:
    """This will count the failures of incidents, the newest included, by fingerprint."""
    names = [incident.fingerprint for incident in incidents]
    letters = DeadLetter.objects.filter(fingerprint__in=names)
    new = _counts(letters.filter(is_counted=False))
    still_open = _counts(letters.filter(state=DeadLetterState.OPEN))
    messages = _counts(PoisonMessage.objects.filter(fingerprint__in=names, state=PoisonState.OPEN))
    pending = _counts(letters.filter(trial=TrialState.PENDING))
    return {
        incident.fingerprint: Tally(
            total=incident.count + new.get(incident.fingerprint, 0),
            open=still_open.get(incident.fingerprint, 0) + messages.get(incident.fingerprint, 0),
            pending=pending.get(incident.fingerprint, 0),
        )
        for incident in incidents
    }


def hours(incidents: Collection[Incident], *, now: datetime, number: int = 24) -> Mapping[str, Sequence[int]]:
    """This will give how often incidents happened in each of the last hours, oldest first, by fingerprint."""
    begin = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=number - 1)
    names = [incident.fingerprint for incident in incidents]
    found = {name: [0] * number for name in names}
    rows = IncidentHour.objects.filter(fingerprint__in=names, begins_at__gte=begin)
    for name, begins_at, count in rows.values_list("fingerprint", "begins_at", "count"):
        place = int((begins_at - begin).total_seconds() // 3600)
        if place < number:
            found[name][place] += count
    return found


def letters_of(found: str) -> QuerySet[DeadLetter]:
    """This will select the dead letters of an incident, the newest first."""
    return DeadLetter.objects.filter(fingerprint=found).defer("payload").order_by("-id")


def messages_of(found: str) -> QuerySet[PoisonMessage]:
    """This will select the poison messages of an incident, the newest first."""
    return PoisonMessage.objects.filter(fingerprint=found).order_by("-id")


def newest_messages(*, limit: int) -> QuerySet[PoisonMessage]:
    """This will select the newest poison messages."""
    return PoisonMessage.objects.order_by("-id")[:limit]


def open_letters(selection: Selection) -> QuerySet[DeadLetter]:
    """This will select the open dead letters that are meant, the oldest first."""
    wanted = {
        "workflow_name": selection.workflow,
        "step": selection.step,
        "kind": selection.kind,
        "fingerprint": selection.incident,
        "created_at__gte": selection.created_after,
        "created_at__lt": selection.created_before,
        "message__icontains": selection.message,
        "run_id": selection.run,
    }
    rows = DeadLetter.objects.filter(state=DeadLetterState.OPEN)
    rows = rows.filter(**{name: value for name, value in wanted.items() if value is not None})
    if selection.ids is not None:
        rows = rows.filter(id__in=selection.ids)
    return rows.order_by("id")


@dataclass(frozen=True, slots=True)
class Given:
    """What somebody gave a step or item instead of its own: inputs, or its result."""

    value: JsonValue
    is_result: bool


def find_override(*, run_id: UUID, step: str, index: int | None) -> Given | None:
    """This will give what somebody gave a step or item instead of its own, or None."""
    rows = InputOverride.objects.filter(run_id=run_id, step=step, index=-1 if index is None else index)
    found = rows.values_list("payload", "is_result").first()
    return None if found is None else Given(*found)


def open_incidents() -> int:
    """This will count the incidents that are not over; it stops at its cap."""
    return Incident.objects.filter(~Q(state__in=(IncidentState.RESOLVED, IncidentState.DISCARDED)))[:OPEN_CAP].count()


def _counts(rows: QuerySet[DeadLetter] | QuerySet[PoisonMessage]) -> Mapping[str, int]:
    return dict(rows.order_by().values_list("fingerprint").annotate(number=Count("id")))
