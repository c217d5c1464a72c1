"""Takes results of an ended run over into a new one, inside the caller's transaction.

A step that was taken over has no attempt in its new run: it was not executed there. Its effect belongs to the new run
from then on, which undoes it when it has to.
"""

from collections.abc import Collection, Iterable, Iterator
from uuid import UUID

from workflows.models import Fanout, Item, Step

_BATCH = 1_000


def carry(*, steps: Collection[str], source: UUID, target: UUID) -> None:
    """This will copy how steps ended, with the items of each `for_each`; instants stay what they were."""
    found = list(Step.objects.filter(run_id=source, step__in=steps))
    Step.objects.bulk_create(_step(row, target=target) for row in found)
    fanouts = list(Fanout.objects.filter(run_id=source, step__in=steps))
    Fanout.objects.bulk_create(_fanout(row, target=target) for row in fanouts)
    for fanout in fanouts:
        for start in range(0, fanout.total, _BATCH):
            items = Item.objects.filter(run_id=source, step=fanout.step, index__range=(start, start + _BATCH - 1))
            Item.objects.bulk_create(_moved(items, target=target))


def _step(row: Step, *, target: UUID) -> Step:
    return Step(
        run_id=target,
        step=row.step,
        state=row.state,
        output=row.output,
        error=row.error,
        attempts=0,
        started_at=None,
        ended_at=row.ended_at,
    )


def _fanout(row: Fanout, *, target: UUID) -> Fanout:
    return Fanout(run_id=target, step=row.step, total=row.total, next_index=row.next_index, started_at=row.started_at)


def _moved(items: Iterable[Item], *, target: UUID) -> Iterator[Item]:
    for item in items:
        item.run_id = target
        item.round = 0
        yield item
