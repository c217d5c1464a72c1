"""A peer that speaks HubSpot's CRM API, as its documentation has it; it is none of HubSpot's own code."""

import itertools
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from werkzeug import Request, Response

from integrations.hubspot import actions
from integrations.vendor import Action
from tests.support.peers.contract import Case
from tests.support.peers.vendor import BROKEN, GARBLED, SLOW_DOWN, Desk, VendorPeer, answer

TOKEN = "pat-eu1-of-the-shop"
_UNIQUE = {"contacts": ("email",), "deals": ("order_number", "automation_key"), "companies": ("domain",)}


class Crm(Desk):
    """Records by type and id; `_UNIQUE` are the properties whose values are unique."""

    def __init__(self) -> None:
        self.records: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in _UNIQUE}
        self.associations: set[str] = set()
        self._ids = itertools.count(501)
        super().__init__()

    def respond(self, request: Request) -> Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if SLOW_DOWN in token:
            more = {"policyName": "TEN_SECONDLY_ROLLING", "errorType": "RATE_LIMIT"}
            return _error(429, "RATE_LIMITS", "You have reached your ten_secondly_rolling limit.", **more)
        if BROKEN in token:
            return _error(500, "INTERNAL_ERROR", "internal error")
        if GARBLED in token:
            return Response("<html>sprocket</html>", content_type="text/html")
        if token != TOKEN:
            return _error(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
        if request.path == "/account-info/v3/details":
            return answer({"portalId": 62515, "accountType": "DEVELOPER_TEST", "timeZone": "Europe/Berlin"})
        if request.path.startswith("/crm/v4/"):
            self.associations.add(request.path)
            return answer({"status": "COMPLETE", "results": []})
        found = re.fullmatch(r"/crm/v3/objects/(\w+)(?:/(.+))?", request.path)
        if found is None or found[1] not in self.records:
            return _error(404, "OBJECT_NOT_FOUND", "Unable to infer object type")
        body = json.loads(request.data) if request.data else {}
        if found[2] == "batch/upsert":
            return self._upserted(found[1], body["inputs"][0])
        if found[2] == "search":
            return self._found(found[1], body)
        return self._made(found[1], body["properties"]) if found[2] is None else self._got(found[1], found[2], request)

    def _upserted(self, kind: str, one: Mapping[str, Any]) -> Response:
        if one["idProperty"] not in _UNIQUE[kind]:
            problem = {
                "status": "error",
                "category": "VALIDATION_ERROR",
                "message": f"{one['idProperty']} is not unique",
            }
            return answer({"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [problem]}, status=207)
        known = [it for it in self.records[kind].values() if it["properties"].get(one["idProperty"]) == one["id"]]
        record = known[0] if known else self._new(kind)
        record["properties"] |= one["properties"]
        return answer({"status": "COMPLETE", "results": [{**record, "new": not known}]})

    def _made(self, kind: str, properties: Mapping[str, Any]) -> Response:
        record = self._new(kind)
        record["properties"] |= properties
        return answer(record, status=201)

    def _new(self, kind: str) -> dict[str, Any]:
        about = {"createdAt": "2026-03-01T10:00:00.000Z", "updatedAt": "2026-03-01T10:00:00.000Z", "archived": False}
        record = {"id": str(next(self._ids)), "properties": {"createdate": "1772359200000"}, **about}
        self.records[kind][str(record["id"])] = record
        return record

    def _got(self, kind: str, name: str, request: Request) -> Response:
        by = request.args.get("idProperty")
        known = [it for it in self.records[kind].values() if (it["properties"].get(by) if by else it["id"]) == name]
        return answer(known[0]) if known else _error(404, "OBJECT_NOT_FOUND", "resource not found")

    def _found(self, kind: str, body: Mapping[str, Any]) -> Response:
        """Two on a page, whatever was asked for: HubSpot gives up to what was asked for."""
        filters = body["filterGroups"][0]["filters"]
        found = [one for one in self.records[kind].values() if all(_fits(one, wanted) for wanted in filters)]
        begin = int(body.get("after", 0))
        more = {"paging": {"next": {"after": str(begin + 2)}}} if begin + 2 < len(found) else {}
        return answer({"total": len(found), "results": found[begin : begin + 2], **more})


def _fits(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    value = record["properties"].get(wanted["propertyName"])
    match wanted["operator"]:
        case "EQ":
            return bool(value == wanted["value"])
        case "HAS_PROPERTY":
            return value is not None
        case "GTE":
            return value is not None and int(value) >= int(wanted["value"])
        case _:
            return value is not None and int(value) < int(wanted["value"])


def _error(status: int, category: str, message: str, **more: str) -> Response:
    return answer(
        {"status": "error", "message": message, "correlationId": "c-1", "category": category, **more}, status=status
    )


class _HubSpotPeer(VendorPeer):
    token = TOKEN

    @property
    def crm(self) -> Crm:
        """This will be the session's HubSpot."""
        return self.services.once("hubspot", lambda _: Crm(), end=lambda made: made.stop())

    @property
    def port(self) -> int:
        return self.crm.port


class Upsert(_HubSpotPeer):
    """`hubspot.upsert` of a company by its domain."""

    id = "hubspot.upsert"
    adapter: Action = actions.upsert
    changes = True
    cut_at = b"POST /crm/v3/objects/companies/batch/upsert"

    def inputs(self) -> Mapping[str, object]:
        name = f"{self.unique()}.example.com"
        return {"object": "companies", "id_property": "domain", "id": name, "properties": {"numberofemployees": 7}}

    def check(self, output: Any) -> None:
        assert self.crm.records["companies"][output["id"]]["properties"]["numberofemployees"] == "7"

    def effects(self) -> int:
        return len(self.crm.records["companies"])

    def wrong(self) -> Sequence[Case]:
        works, inputs = self.connection(), self.inputs()
        return (
            Case(inputs={**inputs, "object": "nothing"}, connection=works, says="OBJECT_NOT_FOUND"),
            Case(inputs={**inputs, "id_property": "city"}, connection=works, says="city is not unique"),
            Case(inputs=inputs, connection=self.connection(secret_values={}), says="needs the secret token"),
        )


class UpsertContact(_HubSpotPeer):
    """`hubspot.upsert_contact`."""

    id = "hubspot.upsert_contact"
    adapter: Action = actions.upsert_contact
    changes = True
    cut_at = b"POST /crm/v3/objects/contacts/batch/upsert"

    def inputs(self) -> Mapping[str, object]:
        return {"email": f"{self.unique()}@example.com", "properties": {"firstname": "Ada"}}

    def check(self, output: Any) -> None:
        assert self.crm.records["contacts"][output["id"]]["properties"]["firstname"] == "Ada"

    def effects(self) -> int:
        return len(self.crm.records["contacts"])


class CreateDeal(_HubSpotPeer):
    """`hubspot.create_deal` without a property for its key."""

    id = "hubspot.create_deal"
    adapter: Action = actions.create_deal
    changes = True
    cut_at = b"POST /crm/v3/objects/deals"

    def inputs(self) -> Mapping[str, object]:
        return {"name": f"Order {self.unique()}", "amount": 12.5, "stage": "closedwon"}

    def check(self, output: Any) -> None:
        deal = self.crm.records["deals"][output["id"]]["properties"]
        assert deal["dealname"].startswith("Order ")
        assert (deal["amount"], deal["dealstage"]) == ("12.5", "closedwon")

    def effects(self) -> int:
        return len(self.crm.records["deals"])


class CreateDealByKey(CreateDeal):
    """`hubspot.create_deal` with a property for its key."""

    id = "hubspot.create_deal-key"

    def inputs(self) -> Mapping[str, object]:
        return {**super().inputs(), "key_property": "automation_key"}

    def wrong(self) -> Sequence[Case]:
        inputs = {**self.inputs(), "key_property": "city"}
        return (Case(inputs=inputs, connection=self.connection(), says="city is not unique"),)


class Associate(_HubSpotPeer):
    """`hubspot.associate` of a deal with a contact."""

    id = "hubspot.associate"
    adapter: Action = actions.associate
    changes = True
    cut_at = b"PUT /crm/v4/objects/deals"

    def inputs(self) -> Mapping[str, object]:
        return {"from": {"object": "deals", "id": self.unique()}, "to": {"object": "contacts", "id": 7}}

    def check(self, output: Any) -> None:
        assert any(f"/deals/{output['from']['id']}/associations" in path for path in self.crm.associations)

    def effects(self) -> int:
        return len(self.crm.associations)


class Get(_HubSpotPeer):
    """`hubspot.get` of a contact by its mail address."""

    id = "hubspot.get"
    adapter: Action = actions.get
    cut_at = b"GET /crm/v3/objects/contacts/"

    def inputs(self) -> Mapping[str, object]:
        record, name = self.crm._new("contacts"), f"{self.unique()}@example.com"
        record["properties"]["email"] = name
        return {"object": "contacts", "id": name, "id_property": "email", "properties": ["email"]}

    def check(self, output: Any) -> None:
        assert output["properties"]["email"].endswith("@example.com")

    def wrong(self) -> Sequence[Case]:
        works = self.connection()
        return (
            Case(inputs={"object": "contacts", "id": "0"}, connection=works, says="404"),
            Case(inputs={"object": "contacts", "id": ".."}, connection=works, says=r"'\.' or '\.\.'"),
        )


class ListRecords(_HubSpotPeer):
    """`hubspot.list` of deals by time."""

    id = "hubspot.list"
    adapter: Action = actions.list_records
    cut_at = b"POST /crm/v3/objects/deals/search"

    def set_up(self) -> None:
        self.crm._new("deals")["properties"]["order_number"] = "listed"

    def inputs(self) -> Mapping[str, object]:
        return {
            "object": "deals",
            "properties": ["order_number"],
            "filters": [{"property": "order_number", "operator": "EQ", "value": "listed"}],
            "time": {"property": "createdate", "from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"},
        }

    def check(self, output: Any) -> None:
        assert {one["properties"]["order_number"] for one in output["items"]} == {"listed"}

    def wrong(self) -> Sequence[Case]:
        inputs = {"object": "deals", "time": {"property": "createdate", "from": "yesterday"}}
        return (Case(inputs=inputs, connection=self.connection(), says="time/from must be an instant"),)
