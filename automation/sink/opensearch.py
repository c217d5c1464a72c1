"""Gives documents to OpenSearch with its `_bulk` request; tells apart what is refused for good and what may come later.

A document carries a version of ours that only grows, so an older one never takes the place of a newer one: the answer
409 then says that all is well. Needs the extra `opensearch`, which is imported when the first sink is made.
"""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from automation.sink.documents import Document

_CHUNK = 500
_CHUNK_BYTES = 5_000_000
_CONFLICT, _TOO_MANY, _SERVER_ERROR = 409, 429, 500


class SinkAway(Exception):
    """OpenSearch did not take everything now: the same documents may be given again."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that will never be taken as it is."""

    index: str
    id: str
    status: int
    why: str


class OpenSearchSink:
    """A client of one cluster. Raises ImportError without the extra `opensearch`."""

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._library: Any = importlib.import_module("opensearchpy")  # Any: the extra may be missing
        self._helpers: Any = importlib.import_module("opensearchpy.helpers")
        self._client = self._library.OpenSearch(hosts=[url], timeout=timeout_s, max_retries=0, http_compress=True)
        self._host = urlsplit(url).hostname

    def put(self, documents: Iterable[Document], *, version: int) -> Sequence[Refusal]:
        """This will have all documents taken, or refused, and give the refused ones.

        Raises SinkAway when some may still be taken later; then any part of them may have been.
        """
        actions = (_action(document, version=version) for document in documents)
        try:
            return list(self._refusals(actions))
        except self._library.exceptions.OpenSearchException as error:
            raise SinkAway(f"{self._host}: {type(error).__name__} {getattr(error, 'status_code', '')}") from error

    def close(self) -> None:
        """This will end its connections."""
        self._client.close()

    def _refusals(self, actions: Iterable[dict[str, object]]) -> Iterator[Refusal]:
        answers = self._helpers.streaming_bulk(
            self._client,
            actions,
            chunk_size=_CHUNK,
            max_chunk_bytes=_CHUNK_BYTES,
            raise_on_error=False,
            yield_ok=False,
        )
        for _, answer in answers:
            item = answer["index"]
            status = int(item["status"])
            if status == _TOO_MANY or status >= _SERVER_ERROR:
                raise SinkAway(f"{self._host}: {status} for {item['_index']}/{item['_id']}")
            if status != _CONFLICT:
                yield Refusal(str(item["_index"]), str(item["_id"]), status, _why(item.get("error")))


def _action(document: Document, *, version: int) -> dict[str, object]:
    return {
        "_op_type": "index",
        "_index": document.index,
        "_id": document.id,
        "version": version,
        "version_type": "external_gte",
        "_source": dict(document.source),
    }


def _why(error: object) -> str:
    found = error.get("reason", error) if isinstance(error, dict) else error
    return str(found)[:300]
