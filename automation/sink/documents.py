"""What a search engine is given: documents with ids that stay, made of rows and of nothing secret; pure.

Evaluated inputs stay in the database. Texts are masked as in the audit trail.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import orjson

from audit.redaction import masked_text

Row: TypeAlias = Mapping[str, object]
LETTER_FIELDS = (
    *("id", "run_id", "workflow_name", "step", "index", "kind", "message", "attempts", "state", "fingerprint"),
    *("created_at", "resolved_at", "resolved_by", "reason", "trial"),
)
INCIDENT_FIELDS = (
    *("fingerprint", "workflow_name", "step", "kind", "title", "example", "state", "owner", "reason", "count"),
    *("reopened", "first_seen_at", "last_seen_at", "opened_at", "changed_at"),
)
_NAMES = {"workflow_name": "workflow", "run_id": "run", "fingerprint": "incident"}
_TEXTS = ("message", "title", "example", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document: the same row has the same `index` and `id`, so a second one takes the place of the first."""

    index: str
    id: str
    source: Mapping[str, object]

    @property
    def digest(self) -> bytes:
        """This will tell documents apart that say different things."""
        return hashlib.sha256(orjson.dumps(self.source, option=orjson.OPT_SORT_KEYS)).digest()


def documents(*, letters: Sequence[Row], incidents: Sequence[Row], prefix: str) -> Sequence[Document]:
    """This will make the documents of rows, in the indices `<prefix>-dead-letters` and `<prefix>-incidents`."""
    return [
        *(Document(index=f"{prefix}-dead-letters", id=str(row["id"]), source=_source(row)) for row in letters),
        *(Document(index=f"{prefix}-incidents", id=str(row["fingerprint"]), source=_source(row)) for row in incidents),
    ]


def _source(row: Row) -> Mapping[str, object]:
    """
    >>> _source({"workflow_name": "pay", "message": "password=hush", "resolved_at": None})
    {'workflow': 'pay', 'message': 'password=***', 'resolved_at': None}
    """
    return {_NAMES.get(name, name): _plain(name, value) for name, value in row.items()}


def _plain(name: str, value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if name in _TEXTS:
        return masked_text(str(value))
    return value if value is None or isinstance(value, bool | int | float) else str(value)
