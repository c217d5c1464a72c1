"""The sections of `on` that wait for events: checked with paths, and made into triggers when they are published."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from automation.eventing import documents
from automation.eventing.documents import Wanted
from automation.models import EventTrigger
from automation.trigger_models import TriggerKind
from workflows.core.definition import JsonObject, JsonValue
from workflows.core.problems import Problem, path_to

_SAID = ("type", "is_prefix", "source", "match", "input", "within_s")


class EventSection:
    """Keeps `workflows.triggers.Trigger`."""

    def __init__(self, kind: TriggerKind) -> None:
        self._kind = kind

    def problems(self, value: JsonValue, *, at: str, document: JsonObject) -> Iterator[Problem]:
        """This will give what is wrong with one trigger, or with a list of them."""
        for place, one in _listed(value, at=at):
            yield from documents.problems_of(one, kind=self._kind, at=place, wanted=document.get("input"))

    def published(self, *, workflow: str, value: JsonValue, actor: Actor, now: datetime) -> None:
        """This will make the workflow's triggers those of the definition; the same again changes nothing."""
        found = [
            documents.read(one, kind=self._kind, place=place) for place, (_, one) in enumerate(_listed(value, at="$"))
        ]
        known = {
            row.place: row
            for row in EventTrigger.objects.filter(workflow=workflow, kind=self._kind, ended_at=None).order_by("place")
        }
        for wanted in found:
            row = known.pop(wanted.place, None)
            if row is not None and not _is_same(row, wanted):
                _end(row, actor=actor, now=now)
                row = None
            if row is None:
                _begin(wanted, workflow=workflow, actor=actor, now=now)
        for row in known.values():
            _end(row, actor=actor, now=now)


def _begin(wanted: Wanted, *, workflow: str, actor: Actor, now: datetime) -> None:
    is_missing = wanted.kind is TriggerKind.MISSING
    row = EventTrigger.objects.create(
        workflow=workflow,
        kind=wanted.kind,
        place=wanted.place,
        due_at=now + timedelta(seconds=wanted.within_s) if is_missing else None,
        created_at=now,
        **{name: getattr(wanted, name) for name in _SAID},
    )
    _audit(row, kind=EventKind.TRIGGER_CHANGED, actor=actor, now=now)


def _end(row: EventTrigger, *, actor: Actor, now: datetime) -> None:
    EventTrigger.objects.filter(id=row.pk, ended_at=None).update(ended_at=now)
    _audit(row, kind=EventKind.TRIGGER_ENDED, actor=actor, now=now)


def _audit(row: EventTrigger, *, kind: EventKind, actor: Actor, now: datetime) -> None:
    audit.record(
        Event(
            kind=kind,
            actor=actor,
            subject_type="trigger",
            subject_id=str(row.pk),
            correlation_id=row.workflow,
            at=now,
            payload={"workflow": row.workflow, "kind": row.kind, "type": row.shown_type, "source": row.source},
        )
    )


def _is_same(row: EventTrigger, wanted: Wanted) -> bool:
    return all(getattr(row, name) == getattr(wanted, name) for name in _SAID)


def _listed(value: JsonValue, *, at: str) -> Sequence[tuple[str, JsonObject]]:
    if isinstance(value, Mapping):
        return [(at, value)]
    if not isinstance(value, list):
        return []
    return [(path_to(at, index), one) for index, one in enumerate(value) if isinstance(one, Mapping)]
