"""What a preset is: it judges one request with the secrets it is given, and says what the request speaks of.

A preset never parses a body before its signature holds, and compares in constant time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

Options = Mapping[str, Any]  # Any: JSON, which the preset's schema has judged
TOLERANCE_S = 300.0
"""How far the clock of a signature may be from ours: what Standard Webhooks, Stripe and Slack recommend."""


class Reason(StrEnum):
    """Why a request is not believed; counted by source."""

    NO_SIGNATURE = "no_signature"
    MALFORMED = "malformed"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    WRONG_SIGNATURE = "wrong_signature"
    UNTRUSTED_PROXY = "untrusted_proxy"
    NO_SECRET = "no_secret"  # noqa: S105  a word, not a secret


class Unverified(Exception):
    """A request that is not believed. The message names the header and never a value."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived. Names of headers are in lower case; `peer` is the address of who connected."""

    body: bytes
    headers: Mapping[str, str]
    peer: str = ""

    def header(self, name: str) -> str:
        """This will give a header. Raises Unverified when it is not there."""
        value = self.headers.get(name.lower(), "").strip()
        if not value:
            raise Unverified(Reason.NO_SIGNATURE, f"the header {name} is missing")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A request that is believed. `key` is the place of the secret that fitted (0: the newest).

    `signed_at`: when the sender signed it, unix seconds, where it says so.
    """

    key: int = 0
    signed_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a request says of itself: the id of its delivery (empty: none), the kind of its event, and whom it is about.

    `data` is its body as JSON; `attributes` go with the event.
    """

    id: str
    type: str
    data: Any  # Any: JSON
    subject: str = ""
    time: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


class Untold(Exception):
    """A verified request whose body is not what its preset sends; the message says where and what would be right."""


class Preset(Protocol):
    """One way in which senders prove who they are."""

    @property
    def name(self) -> str:
        """This will be what a source says."""

    @property
    def title(self) -> str:
        """This will name it for people."""

    @property
    def schema(self) -> Mapping[str, Any]:  # Any: JSON Schema
        """This will be the schema of its options."""

    @property
    def key_hint(self) -> str:
        """This will say what its secret is."""

    @property
    def accepts(self) -> int:
        """This will be the status of the answer to what is taken; with 200 the answer is empty."""

    def verify(self, request: Request, *, secrets: Sequence[str], options: Options, now: float) -> Verified:
        """This will believe a request or raise Unverified; `now` in unix seconds, any of `secrets` may fit."""

    def tell(self, request: Request, *, options: Options) -> Told:
        """This will read a verified request. Raises Untold."""

    def challenge(self, request: Request) -> bytes | None:
        """This will give what a verified request wants to be answered with at once; None: it is an event."""

    def secret_problem(self, secret: str) -> str | None:
        """This will say what is wrong with a secret, never the secret."""
