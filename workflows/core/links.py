"""How a one-time link stands whose bearer answers what one person is asked; values only."""

from enum import StrEnum

from workflows.core.voting import RequestState


class LinkStanding(StrEnum):
    """What a link is good for. TAKEN: somebody else has the task. GONE: the say is somebody else's now, or nobody's."""

    USABLE = "usable"
    TAKEN = "taken"
    ANSWERED = "answered"
    CLOSED = "closed"
    OVER = "over"
    GONE = "gone"


def link_standing(
    *,
    has_answered: bool,
    state: RequestState,
    is_over: bool,
    is_revoked: bool,
    holds_right: bool,
    is_taken: bool = False,
) -> LinkStanding:
    """This will say what a link is good for: it answers only while everything speaks for it.

    >>> link_standing(
    ...     has_answered=False, state=RequestState.OPEN, is_over=False, is_revoked=True, holds_right=True
    ... ).value
    'gone'
    """
    if has_answered:
        return LinkStanding.ANSWERED
    if state not in (RequestState.OPEN, RequestState.EXPIRED):
        return LinkStanding.CLOSED
    if is_over or state is RequestState.EXPIRED:
        return LinkStanding.OVER
    if is_revoked or not holds_right:
        return LinkStanding.GONE
    return LinkStanding.TAKEN if is_taken else LinkStanding.USABLE
