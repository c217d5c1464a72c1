"""Which due times of the past a backfill does; words and rules are Airflow's."""

from enum import StrEnum

from automation.schedule.decide import FireState


class Order(StrEnum):
    """Which due time comes first."""

    FORWARD = "forward"
    BACKWARD = "backward"


class Reprocess(StrEnum):
    """Which due times that have a fire already are done again."""

    NONE = "none"
    FAILED = "failed"
    COMPLETED = "completed"
    """Whatever has ended, well or badly."""


def is_wanted(existing: tuple[str, str] | None, *, reprocess: Reprocess) -> bool:
    """This will tell whether a due time is done, given the state of its fire and of that one's run (None: no fire).

    What is under way is never done again.

    >>> is_wanted(None, reprocess=Reprocess.NONE), is_wanted(("started", "failed"), reprocess=Reprocess.NONE)
    (True, False)
    >>> is_wanted(("started", "failed"), reprocess=Reprocess.FAILED)
    True
    """
    if existing is None:
        return True
    state, run_state = existing
    has_failed = state in (FireState.SKIPPED, FireState.REFUSED) or run_state in ("failed", "cancelled")
    has_ended = has_failed or run_state == "succeeded" or state == FireState.SENT
    match reprocess:
        case Reprocess.NONE:
            return False
        case Reprocess.FAILED:
            return has_failed
        case Reprocess.COMPLETED:
            return has_ended
