"""What is still under way when load and faults have ended: runs, letters to bring back, due times, webhooks."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from django.db.models import Q

from automation.models import Fire, Schedule, TriggerFiring, WebhookDelivery
from tests.chaos.book import Book
from tests.chaos.clients.senders import delivery_id
from tests.chaos.workloads.hooks import SOURCE
from workflows.core.states import DeadLetterState, RunState
from workflows.models import DeadLetter, Event, Run

_OPEN_FIRES = ("due", "buffered", "sending")


def is_settled(*, book: Book, requeued: Collection[str], wiped_at: Sequence[datetime]) -> bool:
    """This will tell whether nothing is open any more; what the broker lost with all its data is not waited for."""
    letters = DeadLetter.objects.filter(state=DeadLetterState.OPEN, workflow_name__in=requeued)
    is_open = (
        _open_hooks(book, wiped_at=wiped_at)
        or WebhookDelivery.objects.filter(state="verified").exists()
        or TriggerFiring.objects.filter(state="pending").exists()
        or _open_schedules()
        or letters.exists()
        or Run.objects.filter(state=RunState.RUNNING).exists()
    )
    return not is_open


def _open_schedules() -> bool:
    schedules = Schedule.objects.filter(ended_at=None).filter(Q(is_planned=False) | Q(next_due_at__isnull=False))
    return schedules.exists() or Fire.objects.filter(state__in=_OPEN_FIRES).exists()


def _open_hooks(book: Book, *, wiped_at: Sequence[datetime]) -> bool:
    since = max(wiped_at, default=datetime.min.replace(tzinfo=UTC))
    wanted = {delivery_id(hook.number) for hook in book.hooks if hook.at > since}
    known = set(Event.objects.filter(source=f"webhook:{SOURCE}").values_list("event_id", flat=True))
    return bool(wanted - known)
