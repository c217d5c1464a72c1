"""Why a release of a workflow replaces the one before; a closed set, and nothing else."""

from enum import StrEnum


class ReleaseCause(StrEnum):
    """What was done."""

    PUBLISHED = "published"
    CANARY_BEGUN = "canary_begun"
    CANARY_CHANGED = "canary_changed"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    CHOSEN = "chosen"
    """A version was put into use without a trial: an earlier one, as a rule."""
