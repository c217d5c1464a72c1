"""The laws of schedules whatever people do: one run for each due time, and overlap as the rule says."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from audit import queries as audit
from audit.events import EventKind
from automation.models import Fire, Schedule
from automation.schedule.decide import FireState
from tests.monkey.world import World
from workflows.models import Run

_ENDS = (EventKind.RUN_SUCCEEDED, EventKind.RUN_FAILED, EventKind.RUN_CANCELLED)
_LATEST = datetime.max.replace(tzinfo=UTC)


def doubled(world: World) -> Iterator[str]:
    """This will find due times with several runs, fires that share a run, and runs of schedules that no fire knows."""
    fires = Fire.objects.filter(schedule_id__in=world.schedules)
    known = Counter(fire.run_id for fire in fires if fire.run_id is not None)
    names = {
        f"schedule:{name}" for name in Schedule.objects.filter(id__in=world.schedules).values_list("name", flat=True)
    }
    begun = Run.objects.filter(started_by__in=names)
    for run in begun:
        if known[run.id] != 1:
            yield f"run {run.id} of {run.started_by} was begun by {known[run.id]} fires"
    due = Counter(begun.values_list("correlation_id", flat=True))
    for correlation, count in due.items():
        if count > 1:
            yield f"{correlation} has {count} runs"
    missing = known.keys() - set(begun.values_list("id", flat=True))
    for run_id in missing:
        yield f"run {run_id} was begun by a fire, and does not exist"


def undecided(world: World) -> Iterator[str]:
    """This will find fires of which nothing has become when nothing is left to do."""
    open_states = (FireState.DUE, FireState.BUFFERED, FireState.SENDING)
    for fire in Fire.objects.filter(schedule_id__in=world.schedules, state__in=open_states):
        yield f"fire {fire.pk} of schedule {fire.schedule_id} is still {fire.state} {fire.reason}".rstrip()
    for fire in Fire.objects.filter(schedule_id__in=world.schedules, state=FireState.STARTED, run_id=None):
        yield f"fire {fire.pk} of schedule {fire.schedule_id} is started, and has no run"


def overlapping(world: World) -> Iterator[str]:
    """This will find runs of a schedule that were started while an earlier one was under way; none of them may be.

    What has ended may be undone later, on somebody's word: its schedule has not waited for that.
    """
    for schedule in Schedule.objects.filter(id__in=world.schedules):
        runs = Run.objects.filter(started_by=f"schedule:{schedule.name}", round=0).order_by("created_at", "id")
        for earlier, later in pairwise(runs):
            if _first_end(earlier) > later.created_at and schedule.rule["overlap"] != "cancel_other":
                yield f"run {later.id} of {schedule.name} was started before run {earlier.id} had ended"


def _first_end(run: Run) -> datetime:
    ends = audit.events_for(str(run.id)).filter(kind__in=_ENDS).order_by("at")
    return ends.values_list("at", flat=True).first() or _LATEST


LAWS: Mapping[str, Callable[[World], Iterator[str]]] = {
    "due times doubled": doubled,
    "due times undecided": undecided,
    "schedules overlapping": overlapping,
}
