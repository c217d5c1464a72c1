"""What the actions ask of Stripe, in the words of its library; plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A method of Stripe's library: `service` and `verb` name it, `of` is the id it is about, where it is about one.

    With a `key` it changes something, under that idempotency key. `may_be_forbidden`: 403 is answered with None.
    """

    service: str
    verb: str
    of: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    key: str = ""
    may_be_forbidden: bool = False
