"""Who is told what becomes of something that people are asked, and on which occasions; values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from workflows.core.definition import JsonObject, JsonValue


class Occasion(StrEnum):
    """What people are told of. OVERDUE: a task is not done at its `due`. DECIDED: it was answered, whichever way."""

    OPENED = "opened"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    DELEGATED = "delegated"
    OVERDUE = "overdue"
    EXPIRED = "expired"
    DECIDED = "decided"


STANDARD: frozenset[Occasion] = frozenset(Occasion) - {Occasion.DECIDED}
"""What is told where nothing else is said: that it was answered, only to who wants that."""
_ENDS = frozenset({Occasion.EXPIRED, Occasion.DECIDED})

NOTIFY_SCHEMA: JsonObject = {
    "type": "array",
    "description": "Who is told when it opens, is reminded of, escalates, is delegated or expires, by which channel.",
    "minItems": 1,
    "maxItems": 10,
    "items": {
        "type": "object",
        "required": ["channel"],
        "additionalProperties": False,
        "properties": {
            "channel": {"type": "string", "description": "mail, webhook, log, or one of your own."},
            "recipient": {
                "type": "string",
                "description": "Whom the channel reaches; left out: everybody who may answer, each at the own address.",
            },
            "on": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": [occasion.value for occasion in Occasion]},
                "description": "Which occasions; all but `decided` where it is left out.",
            },
            "link": {"type": "boolean", "description": "Whether it holds a link by which its reader answers."},
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line of `notify`. Without a `recipient` those who may answer are told, each at the own mail address."""

    channel: str
    recipient: str | None
    occasions: frozenset[Occasion]
    has_link: bool

    def gives_link(self, occasion: Occasion) -> bool:
        """This will tell whether a reader is given a link: never somebody else's, and none that is over.

        >>> Notice(channel="mail", recipient="x@y.z", occasions=STANDARD, has_link=True).gives_link(Occasion.OPENED)
        False
        """
        return self.has_link and self.recipient is None and occasion not in _ENDS


def read_notices(value: JsonValue) -> Sequence[Notice]:
    """This will read a `notify` that fits its schema."""
    return [_notice(one) for one in (value if isinstance(value, list) else ()) if isinstance(one, Mapping)]


def _notice(value: JsonObject) -> Notice:
    wanted, recipient = value.get("on"), value.get("recipient")
    return Notice(
        channel=str(value["channel"]),
        recipient=None if recipient is None else str(recipient),
        occasions=frozenset(Occasion(str(one)) for one in wanted) if isinstance(wanted, list) else STANDARD,
        has_link=value.get("link") is not False,
    )
