"""Reads listings through adapters, page by page; it keeps no page longer than it is read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reconciliation.core.window import Window
from reconciliation.errors import SourceFailed
from reconciliation.jobs.meaning import ANSWER, CALL
from reconciliation.reading.calls import Caller
from workflows.core.definition import JsonValue
from workflows.expressions import ExpressionFailed, compile_expression, compile_value

_MOST = 100_000
_Row = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A listing, and who reads it."""

    options: Mapping[str, Any]  # Any: the schema says what they hold
    caller: Caller
    window: Window | None

    def rows(self) -> Iterator[_Row]:
        """This will give the records of one page after the other. Raises CallFailed, SourceFailed."""
        options = self.options
        inputs = compile_value(options["with"], scope=CALL).evaluate
        records = compile_expression(options["records"], scope=ANSWER).evaluate
        cursor = compile_expression(options["cursor"], scope=ANSWER).evaluate if "cursor" in options else None
        page: dict[str, JsonValue] = {"number": 1, "cursor": None, "previous": 0}
        for number in range(1, int(options.get("most", _MOST)) + 1):
            page["number"] = number
            asked = {"page": page, **bounds(self.window)}
            try:
                output = self.caller.call(uses=options["uses"], inputs=_mapping(inputs(asked)))
                seen: Mapping[str, JsonValue] = {"output": output, "page": page}
                found = self._listed(records(seen))
                following = None if cursor is None else cursor(seen)
            except ExpressionFailed as error:
                raise SourceFailed(f"page {number}: {error}", side=self.caller.side) from error
            yield from found
            if following in (None, "") if cursor is not None else not found:
                return
            if cursor is not None and following == page["cursor"]:
                raise SourceFailed(f"page {number}: its cursor is that of the page before", side=self.caller.side)
            page = {"number": number, "cursor": following, "previous": len(found)}
        raise SourceFailed("there are more pages than `most` allows", side=self.caller.side)

    def _listed(self, found: JsonValue) -> list[_Row]:
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise SourceFailed("`records` must give a list of objects", side=self.caller.side)
        return [one for one in found if isinstance(one, dict)]


def bounds(window: Window | None) -> dict[str, JsonValue]:
    """This will write which time is read, as calls are told it."""
    if window is None:
        return {"reads_from": None, "reads_to": None}
    return {"reads_from": _written(window.reads_from), "reads_to": _written(window.reads_to)}


def _written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def _mapping(value: object) -> Mapping[str, object]:
    assert isinstance(value, Mapping), "the schema wants a mapping"
    return value
