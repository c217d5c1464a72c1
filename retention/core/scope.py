"""What a hold can be about; pure."""

from enum import StrEnum


class Scope(StrEnum):
    """What the value of a hold names."""

    RUN = "run"
    WORKFLOW = "workflow"
    CORRELATION = "correlation"
