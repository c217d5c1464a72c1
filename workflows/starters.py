"""Reads which people stand behind a run: those who started it, and what it comes from; it changes nothing."""

from collections.abc import Collection, Sequence
from uuid import UUID

from audit.events import Actor, ActorKind
from workflows.models import ChildRun, JoinedStart, Retry, Run

_AT_MOST = 1_000


def starters_of(run_id: UUID) -> Sequence[str]:
    """This will give the ids of the users who started a run, the runs above it, and the runs that these retry.

    Several people start one run where their starts are gathered (`batch`, `debounce`): all of them do.
    A token, a schedule or the engine is no person. Who retries a run stands behind it beside whoever began it, so that
    a retry makes nobody a stranger to what he wanted himself.
    """
    seen: set[UUID] = set()
    fresh: set[UUID] = {run_id}
    while fresh and len(seen) < _AT_MOST:
        seen |= fresh
        fresh = _behind(fresh) - seen
    actors = [
        *Run.objects.filter(id__in=seen).values_list("started_by", flat=True),
        *JoinedStart.objects.filter(run_id__in=seen).values_list("started_by", flat=True),
    ]
    people = {actor.id for text in actors if (actor := Actor.parse(text)).kind is ActorKind.USER}
    return sorted(people)


def _behind(runs: Collection[UUID]) -> set[UUID]:
    above = ChildRun.objects.filter(child_id__in=runs, is_own=True).values_list("parent_id", flat=True)
    before = Retry.objects.filter(run_id__in=runs).values_list("of_id", flat=True)
    return {*above, *before}
