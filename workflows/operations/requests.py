"""What every change of a request to people has in common: its end, its output and its audit events."""

from collections.abc import Collection, Mapping
from datetime import datetime

from audit import operations as audit
from audit.events import Actor, Event, EventKind
from workflows import human_queries
from workflows.core.asking import Asking
from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed
from workflows.core.states import FailureKind
from workflows.core.voting import Choice, OnExpiry, RequestState
from workflows.human_models import HumanAnswer, HumanRequest

_ENDS: Mapping[RequestState, EventKind] = {
    RequestState.APPROVED: EventKind.APPROVAL_APPROVED,
    RequestState.REJECTED: EventKind.APPROVAL_REJECTED,
    RequestState.EXPIRED: EventKind.APPROVAL_EXPIRED,
    RequestState.WITHDRAWN: EventKind.APPROVAL_WITHDRAWN,
}


def close(row: HumanRequest, *, state: RequestState, actor: Actor, at: datetime, **told: object) -> None:
    """This will end a request whose row is locked; whoever calls wakes its step, if that is still there."""
    terms = human_queries.asking_of(row)
    answers = human_queries.answers_of(row)
    row.state, row.closed_at, row.closed_by = state, at, str(actor)
    row.output = None if state is RequestState.WITHDRAWN else dict(_output(terms, state=state, answers=answers))
    row.save(update_fields=["state", "closed_at", "closed_by", "output"])
    audit.record(event_of(row, kind=_ENDS[state], actor=actor, at=at, **told))


def result_of(row: HumanRequest) -> JsonObject | Failed:
    """This will say what a request that has ended means for its step."""
    terms = human_queries.asking_of(row)
    output: JsonObject = row.output or {}
    if row.state == RequestState.WITHDRAWN:
        return _failed("it was withdrawn", output=output)
    if row.state == RequestState.EXPIRED and terms.on_expiry is OnExpiry.FAIL:
        return _failed(f"nobody decided until {row.expires_at:%Y-%m-%d %H:%M:%S} UTC", output=output)
    if terms.fails_on_reject and not output.get("approved"):
        return _failed(_rejection(row), output=output)
    return output


def event_of(row: HumanRequest, *, kind: EventKind, actor: Actor, at: datetime, **payload: object) -> Event:
    """This will state what happened to a request, as something that happened in its run."""
    told: dict[str, object] = {"request": row.id, "step": row.step, "digest": row.digest, **payload}
    if row.index is not None:
        told["index"] = row.index
    return Event(
        kind=kind,
        actor=actor,
        subject_type="run",
        subject_id=str(row.run_id),
        correlation_id=row.correlation_id,
        at=at,
        payload=told,
    )


def _output(terms: Asking, *, state: RequestState, answers: Collection[HumanAnswer]) -> JsonObject:
    is_expired = state is RequestState.EXPIRED
    approved = state is RequestState.APPROVED or (is_expired and terms.on_expiry is OnExpiry.APPROVE)
    forms = [answer.form for answer in answers if answer.choice == Choice.APPROVE and answer.form is not None]
    return {
        "approved": approved,
        "expired": is_expired,
        "form": forms[-1] if forms else None,
        "decisions": [
            {
                "by": answer.name,
                "at": answer.at.isoformat(),
                "decision": answer.choice,
                "comment": answer.comment,
                "form": answer.form,
            }
            for answer in answers
        ],
    }


def _rejection(row: HumanRequest) -> str:
    if row.state == RequestState.EXPIRED:
        return f"it was not approved until {row.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    answers = [one for one in human_queries.answers_of(row) if one.choice == Choice.REJECT]
    told = [f"{one.name}: {one.comment}" if one.comment else one.name for one in answers]
    return f"it was rejected by {'; '.join(told)}"[:500]


def _failed(message: str, *, output: JsonObject) -> Failed:
    return Failed(kind=FailureKind.REFUSED, message=message, evidence=output)
