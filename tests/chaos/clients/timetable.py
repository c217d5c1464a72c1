"""Makes the schedules of the attack when it begins: due until its end, some of them long before."""

from datetime import timedelta

from django.utils import timezone

from audit.events import Actor
from automation import scheduling
from tests.chaos.book import Book
from tests.chaos.workloads.schedules import SCHEDULED


def begin(*, seconds: float, actor: Actor, book: Book) -> None:
    """This will make every schedule as if it had been made just before its first due time."""
    now = timezone.now()
    for workload in SCHEDULED:
        times = workload.times(now=now, seconds=seconds)
        made_at = min(now, times.starts_at - timedelta(seconds=1))
        scheduling.save_schedule(
            name=workload.name, workflow=workload.name, document=workload.rule(times), actor=actor, now=made_at
        )
        book.timetable[workload.name] = times
