"""A request on its way to its row, as bytes: four bytes of length, JSON of that length, the raw body; pure."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

VERSION = 1
QUEUE = "intake"
CONTENT_TYPE = "application/vnd.automation.webhook"
_BYTES = 600
_BYTES_OF_HEADER = 130
_LENGTH = struct.Struct(">I")
_dump = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class EnvelopeUnreadable(Exception):
    """These bytes are none of ours, or of a version that this release does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A verified request. `id` is a UUID version 7, the row's own; `received_at` and `signed_at` in unix seconds.

    `key` is the place of the secret that fitted. Headers that are secrets are masked already.
    """

    id: UUID
    source: str
    received_at: float
    body: bytes
    headers: Mapping[str, str]
    peer: str = ""
    key: int = 0
    signed_at: float | None = None


def weight(envelope: Envelope) -> int:
    """This will give about how many bytes of memory a request takes; what empty objects take was measured."""
    heads = sum(len(name) + len(value) + _BYTES_OF_HEADER for name, value in envelope.headers.items())
    return _BYTES + len(envelope.body) + heads


def seal(envelope: Envelope) -> bytes:
    """This will write a request down."""
    head = {
        "v": VERSION,
        "id": envelope.id.hex,
        "source": envelope.source,
        "at": envelope.received_at,
        "headers": dict(envelope.headers),
        "peer": envelope.peer,
        "key": envelope.key,
        "signed": envelope.signed_at,
    }
    text = _dump(head).encode("utf-8", errors="replace")
    return _LENGTH.pack(len(text)) + text + envelope.body


def unseal(data: bytes) -> Envelope:
    """This will read a request back. Raises EnvelopeUnreadable."""
    try:
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        if end > len(data):
            raise EnvelopeUnreadable(f"{len(data)} bytes are fewer than the {end} that its head takes")
        head: Any = json.loads(data[_LENGTH.size : end])  # Any: checked below
        if not isinstance(head, Mapping) or head.get("v") != VERSION:
            raise EnvelopeUnreadable(f"its head is not of version {VERSION}")
        return Envelope(
            id=UUID(hex=head["id"]),
            source=str(head["source"]),
            received_at=float(head["at"]),
            body=data[end:],
            headers={str(name): str(value) for name, value in head["headers"].items()},
            peer=str(head["peer"]),
            key=int(head["key"]),
            signed_at=None if head["signed"] is None else float(head["signed"]),
        )
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EnvelopeUnreadable(f"it cannot be read: {type(error).__name__}") from error
