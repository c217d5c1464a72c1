"""The states of comparisons and repairs; values only."""

from enum import StrEnum


class ComparisonState(StrEnum):
    """How far a comparison is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"
    """Its process died, and another comparison began."""


class RepairState(StrEnum):
    """How far a repair is."""

    SHOWN = "shown"
    """Its rule is not in force: this is what it would do."""
    HELD = "held"
    """Its rule's cap was reached."""
    PLANNED = "planned"
    STARTED = "started"
    DONE = "done"
    """Carried out; the next comparison must agree."""
