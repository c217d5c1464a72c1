"""Errors of retention, for whoever asked for something that cannot be.

RetentionError
    HoldInvalid       a hold says too little, or something that cannot be
    HoldUnknown       there is no such hold
    MonthChanged      what must be kept has changed meanwhile; nothing has gone
"""


class RetentionError(Exception):
    """Base of what can go wrong here."""


class HoldInvalid(RetentionError):
    """A field of a hold is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.problem = message


class HoldUnknown(RetentionError):
    """There is no hold with this number."""

    def __init__(self, hold_id: int) -> None:
        super().__init__(f"there is no hold {hold_id}: `automation retention holds` lists them")
        self.hold_id = hold_id


class MonthChanged(RetentionError):
    """What was copied is not what must be kept any more."""

    def __init__(self, *, month: str, what: str) -> None:
        super().__init__(f"{month}: {what} meanwhile; nothing has gone, the next run goes on")
        self.month = month
