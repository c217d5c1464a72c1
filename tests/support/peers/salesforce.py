"""A peer that speaks Salesforce's REST API, as its documentation has it; it is none of Salesforce's own code."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug import Request, Response

from integrations.salesforce import actions
from integrations.vendor import Action
from tests.support.peers.contract import Case
from tests.support.peers.vendor import BROKEN, GARBLED, SLOW_DOWN, Desk, VendorPeer, answer

TOKEN = "00Dxx!of.the.shop"
_DATA = "/services/data/v62.0"
_PAGE = 2


class Organisation(Desk):
    """Orders by `Number__c`; a query reads those whose `Number__c` begins as it says, two on a page."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.deletions = 0
        self.queries: list[str] = []
        super().__init__()

    def respond(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if SLOW_DOWN in token:
            return _errors(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        if BROKEN in token:
            return _errors(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.")
        if GARBLED in token:
            return Response("<html>maintenance</html>", content_type="text/html")
        if token != TOKEN:
            return _errors(401, "INVALID_SESSION_ID", "Session expired or invalid")
        path = request.path.removeprefix(_DATA)
        if path in ("", "/"):
            return answer({"sobjects": f"{_DATA}/sobjects", "query": f"{_DATA}/query"})
        if path == "/query":
            return self._asked(request.args["q"])
        if path.startswith("/query/"):
            return self._page(*path.removeprefix("/query/").rsplit("-", 1))
        found = re.fullmatch(r"/sobjects/Order__c/Number__c/(.+)", path)
        if found is None:
            return _errors(404, "NOT_FOUND", "The requested resource does not exist")
        return self._deleted(found[1]) if request.method == "DELETE" else self._upserted(found[1], request)

    def _upserted(self, number: str, request: Request) -> Response:
        fields = json.loads(request.data)
        if "Nothing__c" in fields:
            return _errors(400, "INVALID_FIELD", "No such column 'Nothing__c' on sobject of type Order__c")
        is_new = number not in self.orders
        order = self.orders.setdefault(number, {"Id": f"a00{len(self.orders):015}", "Number__c": number})
        order |= fields
        return answer(
            {"id": order["Id"], "success": True, "errors": [], "created": is_new}, status=201 if is_new else 200
        )

    def _deleted(self, number: str) -> Response:
        if self.orders.pop(number, None) is None:
            return _errors(
                404, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: Number__c"
            )
        self.deletions += 1
        return Response(status=204)

    def _asked(self, statement: str) -> Response:
        self.queries.append(statement)
        said = re.search(r"LIKE '([^']*)%'", statement)
        if said is None:
            return _errors(400, "MALFORMED_QUERY", "unexpected token: EOF")
        return self._page(said[1], "0")

    def _page(self, prefix: str, begin: str) -> Response:
        found = [one for number, one in sorted(self.orders.items()) if number.startswith(prefix)]
        end = int(begin) + _PAGE
        records = [{"attributes": {"type": "Order__c"}, **one} for one in found[int(begin) : end]]
        more = {} if end >= len(found) else {"nextRecordsUrl": f"{_DATA}/query/{prefix}-{end}"}
        return answer({"totalSize": len(found), "done": not more, "records": records, **more})


def _errors(status: int, code: str, message: str) -> Response:
    return answer([{"message": message, "errorCode": code}], status=status)


class _SalesforcePeer(VendorPeer):
    token = TOKEN

    @property
    def organisation(self) -> Organisation:
        """This will be the session's Salesforce."""
        return self.services.once("salesforce", lambda _: Organisation(), end=lambda made: made.stop())

    @property
    def port(self) -> int:
        return self.organisation.port

    def order(self, **more: object) -> Mapping[str, object]:
        """This will be what names a new order."""
        return {"object": "Order__c", "external_id_field": "Number__c", "external_id": f"A/{self.unique()}", **more}


class Upsert(_SalesforcePeer):
    """`salesforce.upsert`."""

    id = "salesforce.upsert"
    adapter: Action = actions.upsert
    changes = True
    cut_at = b"PATCH /services/data"

    def inputs(self) -> Mapping[str, object]:
        return self.order(fields={"Total__c": 12.5})

    def check(self, output: Any) -> None:
        assert output["id"] in [one["Id"] for one in self.organisation.orders.values() if one["Total__c"] == 12.5]

    def effects(self) -> int:
        return len(self.organisation.orders)

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        return (
            Case(inputs=self.order(fields={"Nothing__c": 1}), connection=works, says="INVALID_FIELD"),
            Case(inputs=self.order(object="None__c", fields={}), connection=works, says="NOT_FOUND"),
            Case(inputs=self.order(external_id="..", fields={}), connection=works, says=r"'\.' or '\.\.'"),
            Case(inputs=self.order(fields={}), connection=self.connection(secret_values={}), says="secret token"),
        )


class Delete(_SalesforcePeer):
    """`salesforce.delete` of an order that is there."""

    id = "salesforce.delete"
    adapter: Action = actions.delete
    changes = True
    cut_at = b"DELETE /services/data"

    def inputs(self) -> Mapping[str, object]:
        order = self.order()
        self.organisation.orders[str(order["external_id"])] = {"Id": "a01", "Total__c": 0}
        return order

    def check(self, output: Any) -> None:
        assert output["deleted"] in (True, False)  # the second time it is gone

    def effects(self) -> int:
        return self.organisation.deletions

    def wrong(self) -> Sequence[Case]:
        return (Case(inputs=self.order(object="None__c"), connection=self.connection(), says="knows no None__c"),)

    def too_large(self) -> None:
        """It is answered with nothing."""


class Query(_SalesforcePeer):
    """`salesforce.query` of the orders that begin with a word."""

    id = "salesforce.query"
    adapter: Action = actions.query
    cut_at = b"GET /services/data/v62.0/query"

    def set_up(self) -> None:
        for number in range(3):
            self.organisation.orders[f"listed {number}"] = {
                "Id": f"a02{number}",
                "Number__c": f"listed {number}",
                "Total__c": 0,
            }

    def inputs(self) -> Mapping[str, object]:
        return {
            "soql": "SELECT Number__c FROM Order__c WHERE Number__c LIKE :prefix AND CreatedDate >= :since",
            "params": {"prefix": "listed %"},
            "instants": {"since": "2026-03-01T00:00:00Z"},
        }

    def check(self, output: Any) -> None:
        assert [one["Number__c"] for one in output["items"]] == ["listed 0", "listed 1"]
        assert (output["total"], output["next"]) == (3, "listed -2")
        assert "attributes" not in output["items"][0]
        assert self.organisation.queries[-1].endswith("LIKE 'listed %' AND CreatedDate >= 2026-03-01T00:00:00Z")

    def wrong(self) -> Sequence[Case]:
        works, inputs = self.connection(), self.inputs()
        return (
            Case(inputs={"soql": "SELECT"}, connection=works, says="MALFORMED_QUERY"),
            Case(inputs={**inputs, "params": {}}, connection=works, says="names :prefix"),
            Case(inputs={**inputs, "instants": {"since": "yesterday"}}, connection=works, says=":since must be"),
            Case(inputs={"soql": "SELECT", "params": {"x": 1}}, connection=works, says="does not name :x"),
        )
