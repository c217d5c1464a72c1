"""What every change of a request to people has in common: its end, its output and its audit events."""

from collections.abc import Sequence
from datetime import datetime

from audit import operations as audit
from audit.events import Actor
from workflows import human_queries, human_rights
from workflows.core.asking import Asking
from workflows.core.definition import JsonObject
from workflows.core.outcome import Failed
from workflows.core.states import FailureKind
from workflows.core.telling import Occasion
from workflows.core.voting import Choice, OnExpiry, RequestKind, RequestState, is_over
from workflows.human_errors import ClaimRefused, NotAsked, RequestClosed, UnknownRequest
from workflows.human_models import HumanAnswer, HumanRequest
from workflows.human_rights import Person
from workflows.operations import telling
from workflows.operations.request_events import Happened, event_of


def lock(request_id: int) -> HumanRequest:
    """This will lock a request inside the caller's transaction: it comes before all that belongs to it.

    Raises UnknownRequest.
    """
    row = HumanRequest.objects.select_for_update().filter(id=request_id).first()
    if row is None:
        raise UnknownRequest(request_id)
    return row


def require_open(row: HumanRequest, *, now: datetime) -> None:
    """This will refuse what comes too late. Raises RequestClosed."""
    rule = human_queries.asking_of(row).rule(begun_at=row.opened_at)
    if row.state != RequestState.OPEN or is_over(rule, at=now):
        raise RequestClosed(request_id=row.id, state=row.state, expires_at=row.expires_at)


def require_right(row: HumanRequest, *, person: Person) -> Sequence[str]:
    """This will name those whose rights somebody holds. Raises NotAsked when that one holds none."""
    if person.id in row.starters:
        raise NotAsked(request_id=row.id, name=person.name, why="who started the run may not decide")
    held = human_rights.held(row, person=person)
    if not held:
        raise NotAsked(request_id=row.id, name=person.name, why=_why_not(row, person=person))
    return held


def require_claim(row: HumanRequest, *, person: Person) -> None:
    """This will refuse who wants a task that somebody else has. Raises ClaimRefused."""
    if row.claimed_by not in ("", person.id) and (name := human_rights.claimer_of(row)):
        why = f"{name} has it since {row.claimed_at:%Y-%m-%d %H:%M:%S} UTC, and may give it back"
        raise ClaimRefused(request_id=row.id, name=person.name, why=why)


def close(row: HumanRequest, *, state: RequestState, actor: Actor, at: datetime, **told: object) -> None:
    """This will end a request whose row is locked; whoever calls wakes its step, if that is still there."""
    terms = human_queries.asking_of(row)
    answers = human_queries.answers_of(row)
    row.state, row.closed_at, row.closed_by = state, at, str(actor)
    row.output = None if state is RequestState.WITHDRAWN else dict(_output(terms, state=state, answers=answers))
    row.save(update_fields=["state", "closed_at", "closed_by", "output"])
    audit.record(event_of(row, happened=Happened(state.value), actor=actor, at=at, **told))
    if state is not RequestState.WITHDRAWN:
        occasion = Occasion.EXPIRED if state is RequestState.EXPIRED else Occasion.DECIDED
        telling.tell(row, occasion=occasion, now=at)


def result_of(row: HumanRequest) -> JsonObject | Failed:
    """This will say what a request that has ended means for its step."""
    terms = human_queries.asking_of(row)
    output: JsonObject = row.output or {}
    if row.state == RequestState.WITHDRAWN:
        return _failed("it was withdrawn", output=output)
    if row.state == RequestState.EXPIRED and terms.on_expiry is OnExpiry.FAIL:
        told = "nobody decided" if row.kind == RequestKind.APPROVAL else "nobody has done it"
        return _failed(f"{told} until {row.expires_at:%Y-%m-%d %H:%M:%S} UTC", output=output)
    if terms.kind is RequestKind.APPROVAL and terms.fails_on_reject and not output.get("approved"):
        return _failed(_rejection(row), output=output)
    return output


def _why_not(row: HumanRequest, *, person: Person) -> str:
    handed = [one for one in human_rights.delegations_of(row) if one.giver == person.id]
    if handed:
        return f"the say was handed to {handed[-1].taker_name}"
    return f"asked are {human_queries.people_text(row)}"


def _output(terms: Asking, *, state: RequestState, answers: Sequence[HumanAnswer]) -> JsonObject:
    if terms.kind is RequestKind.TASK:
        return _done(answers[-1] if answers else None)
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
                "for": answer.behalf,
                "at": answer.at.isoformat(),
                "decision": answer.choice,
                "comment": answer.comment,
                "form": answer.form,
            }
            for answer in answers
        ],
    }


def _done(answer: HumanAnswer | None) -> JsonObject:
    return {
        "completed": answer is not None,
        "expired": answer is None,
        "by": None if answer is None else answer.name,
        "for": [] if answer is None else answer.behalf,
        "at": None if answer is None else answer.at.isoformat(),
        "comment": "" if answer is None else answer.comment,
        "form": None if answer is None else answer.form,
    }


def _rejection(row: HumanRequest) -> str:
    if row.state == RequestState.EXPIRED:
        return f"it was not approved until {row.expires_at:%Y-%m-%d %H:%M:%S} UTC"
    answers = [one for one in human_queries.answers_of(row) if one.choice == Choice.REJECT]
    told = [f"{one.name}: {one.comment}" if one.comment else one.name for one in answers]
    return f"it was rejected by {'; '.join(told)}"[:500]


def _failed(message: str, *, output: JsonObject) -> Failed:
    return Failed(kind=FailureKind.REFUSED, message=message, evidence=output)
