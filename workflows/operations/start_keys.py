"""Which run a start's idempotency key stands for; keys are stored by the statement that starts runs."""

from collections.abc import Collection, Mapping

from workflows.models import StartKey


def find(keys: Collection[str | None]) -> Mapping[str, StartKey]:
    """This will give those of the keys that have begun a run, by key."""
    return StartKey.objects.in_bulk([key for key in keys if key is not None])
