"""When an incident is over: decided from what its next attempts came to, never from somebody's word; pure."""

from dataclasses import dataclass

from workflows.core.states import IncidentState


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of the failures of an incident since it was opened.

    `has_open`: some wait for a decision; `has_pending`: some were requeued and have not succeeded yet;
    `has_succeeded`: for some, the work that had failed has succeeded.
    """

    has_open: bool
    has_pending: bool
    has_succeeded: bool


def state_after(state: IncidentState, *, evidence: Evidence) -> IncidentState:
    """This will give the state an incident is in once the evidence has been looked at.

    A failure opens it at once, and so an incident with both open and pending failures keeps the state that the
    latest of failure and requeue gave it.
    """
    if evidence.has_open and evidence.has_pending:
        return IncidentState.OPEN if state.is_over else state
    if evidence.has_open:
        return IncidentState.OPEN
    if evidence.has_pending:
        return IncidentState.RESOLVING
    if state.is_over:
        return state
    return IncidentState.RESOLVED if evidence.has_succeeded else IncidentState.DISCARDED
