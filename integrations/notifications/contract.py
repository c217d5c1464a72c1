"""The contract every channel keeps, and what it is given; values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class NotificationState(StrEnum):
    """What has become of a notification."""

    PENDING = "pending"
    SENT = "sent"
    DEAD = "dead"


class UnknownChannel(ValueError):
    """There is no channel of that name."""


class WrongRecipient(ValueError):
    """A channel cannot reach what was named; the message says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What somebody is to be told. `key` makes it one: the same key again is the same message, and is not sent twice.

    `text` may hold `[[signed:/path/to/ID]]`: that becomes an absolute, signed address at the moment of sending, so
    that no row ever holds a working link. `about` is the run it speaks of, or empty.
    """

    channel: str
    recipient: str
    subject: str
    text: str
    key: str
    data: Mapping[str, object] = field(default_factory=dict)
    about: str = ""
    correlation_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One attempt to deliver a message. `id` is the same at every attempt: receivers know a repetition by it."""

    id: str
    recipient: str
    subject: str
    text: str
    data: Mapping[str, object]
    about: str
    correlation_id: str
    attempt: int
    timeout_s: float


class Channel(Protocol):
    """One way out; a module with these names is one, and the setting NOTIFICATION_CHANNELS names it by its path."""

    @property
    def name(self) -> str:
        """This will name the channel as definitions and alerts do."""
        ...

    def check(self, recipient: str) -> None:
        """This will raise WrongRecipient when it can never reach the recipient."""
        ...

    def send(self, parcel: Parcel) -> None:
        """This will deliver, or raise a CallFailed of `integrations.errors`: only Refused is never tried again."""
        ...
