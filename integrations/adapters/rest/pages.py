"""Which page comes next, and what has come so far. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from integrations.adapters.rest.errors import DoesNotFit

_PARAMETER: Mapping[str, object] = {"type": "string", "minLength": 1}
_PATH: Mapping[str, object] = {
    "type": "string",
    "pattern": r"^[^.]+(\.[^.]+)*$",
    "description": "Names with dots between them, such as meta.next",
}
SCHEMA: Mapping[str, object] = {
    "type": "object",
    "description": "All pages are fetched, and the items of all are the output.",
    "properties": {
        "by": {"enum": ["link", "cursor", "page", "offset"]},
        "items": {**_PATH, "description": "Where in a body its items are; without it the body is the list."},
        "next": {**_PATH, "description": "cursor: where in a body the next cursor is."},
        "parameter": {**_PARAMETER, "description": "cursor, page, offset: the query parameter that says which page."},
        "first": {"type": "integer", "minimum": 0, "description": "page, offset: where to begin; page 1, offset 0."},
        "max_pages": {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 50},
        "max_items": {"type": "integer", "minimum": 1, "maximum": 100_000, "default": 10_000},
    },
    "required": ["by"],
    "allOf": [
        {
            "if": {"properties": {"by": {"enum": ["cursor", "page", "offset"]}}},
            "then": {"required": ["parameter"]},
        },
        {"if": {"properties": {"by": {"const": "cursor"}}}, "then": {"required": ["next"]}},
    ],
    "additionalProperties": False,
}


@dataclass
class Paging:
    """The pages of one call. `spec` is what `SCHEMA` describes, `most_bytes` is for all items together."""

    spec: Mapping[str, Any]
    most_bytes: int
    items: list[Any] = field(default_factory=list)
    count: int = 0

    def first(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """This will make the first page's request of one that knows no pages."""
        if self.spec["by"] in ("link", "cursor"):
            return request
        return self._asking(request, value=self._begin)

    def take(self, answer: Mapping[str, Any], *, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """This will take a page, and make the request of the next one; None: that was the last.

        Raises DoesNotFit when it holds no list, or when there is more than allowed.
        """
        found = at(answer["body"], self.spec.get("items"))
        if not isinstance(found, list):
            raise DoesNotFit(f"page {self.count + 1} has no list at {self.spec.get('items', 'its top')}")
        self.items += found
        self.count += 1
        self.most_bytes -= len(orjson.dumps(found))
        following = self._following(answer, request=request, found=found)
        most_pages, most_items = self.spec.get("max_pages", 50), self.spec.get("max_items", 10_000)
        if len(self.items) > most_items:
            raise DoesNotFit(f"there are more than {most_items} items: ask for fewer, or raise max_items")
        if self.most_bytes < 0:
            raise DoesNotFit("all pages together are larger than the connection's max_response_bytes")
        if following is not None and self.count >= most_pages:
            raise DoesNotFit(f"there are more than {most_pages} pages: ask for fewer, or raise max_pages")
        return following

    @property
    def _begin(self) -> int:
        standard = 1 if self.spec["by"] == "page" else 0
        return int(self.spec.get("first", standard))

    def _following(
        self, answer: Mapping[str, Any], *, request: Mapping[str, Any], found: Sequence[Any]
    ) -> Mapping[str, Any] | None:
        match self.spec["by"]:
            case "link":
                url = next_link(str(answer["headers"].get("link", "")))
                rest = {key: value for key, value in request.items() if key not in ("path", "query", "url")}
                return None if url is None else {**rest, "url": url}
            case "cursor":
                cursor = at(answer["body"], self.spec["next"])
                return None if cursor in (None, "", False) else self._asking(request, value=cursor)
            case "page":
                return self._asking(request, value=self._begin + self.count) if found else None
            case _:
                return self._asking(request, value=self._begin + len(self.items)) if found else None

    def _asking(self, request: Mapping[str, Any], *, value: object) -> Mapping[str, Any]:
        return {**request, "query": {**request.get("query", {}), self.spec["parameter"]: value}}


def at(body: Any, path: str | None) -> Any:
    """This will find what stands under names with dots between them; None when there is nothing.

    >>> at({"meta": {"next": 7}}, "meta.next"), at({}, "meta.next"), at([1], None)
    (7, None, [1])
    """
    for name in path.split(".") if path else ():
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def next_link(header: str) -> str | None:
    """This will find the link to the next page in a Link header (RFC 8288).

    >>> next_link('<https://api.example.com/orders?p=1>; rel="prev", <https://api.example.com/orders?p=3>; rel=next')
    'https://api.example.com/orders?p=3'
    """
    for part in header.split(",<" if ",<" in header else ", <"):
        url, _, about = part.strip().lstrip("<").partition(">")
        for word in about.split(";"):
            name, _, value = word.strip().partition("=")
            if name.lower() == "rel" and "next" in value.strip('"').lower().split():
                return url
    return None
