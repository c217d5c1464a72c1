"""The actions of HubSpot. Records are written by a property with unique values: again, they are the same record."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations import vendor
from integrations.contract import CallContext
from integrations.errors import Refused, Unknown
from integrations.hubspot.connection import APP
from integrations.vendor import Action, Exchange, Inputs
from integrations.vendor_http import Ask, Reply, segment

_PAGE = 200
_MOST = 10_000
"""HubSpot's search shows no more of what it has found."""
_OBJECT: Mapping[str, object] = {
    "type": "string",
    "pattern": "^[a-z0-9_-]+$",
    "description": "contacts, companies, deals, tickets, or a type of your own.",
}
_PROPERTY: Mapping[str, object] = {"type": "string", "pattern": "^[a-z0-9_]+$"}
_ID: Mapping[str, object] = {"type": ["string", "integer"]}
_VALUE: Mapping[str, object] = {"type": ["string", "number", "boolean", "null"]}
_PROPERTIES: Mapping[str, object] = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-z0-9_]+$"},
    "additionalProperties": _VALUE,
}
_INSTANT: Mapping[str, object] = {"type": ["string", "null"], "format": "date-time"}
_DEAL: Mapping[str, str] = {
    "name": "dealname",
    "amount": "amount",
    "stage": "dealstage",
    "pipeline": "pipeline",
    "close_date": "closedate",
    "owner": "hubspot_owner_id",
}
"""What HubSpot calls the properties of a deal."""


def _upsert(inputs: Inputs, _: CallContext) -> Exchange:
    return _upserted(
        inputs["object"], by=inputs["id_property"], value=inputs["id"], properties=inputs.get("properties", {})
    )


def _upsert_contact(inputs: Inputs, _: CallContext) -> Exchange:
    properties = {**inputs.get("properties", {}), "email": inputs["email"]}
    return _upserted("contacts", by="email", value=inputs["email"], properties=properties)


def _create_deal(inputs: Inputs, context: CallContext) -> Exchange:
    given = {theirs: inputs[ours] for ours, theirs in _DEAL.items() if ours in inputs}
    properties = {**inputs.get("properties", {}), **given}
    if "key_property" in inputs:
        made = yield from _upserted(
            "deals", by=inputs["key_property"], value=context.idempotency_key, properties=properties
        )
        return made
    reply = yield Ask(method="POST", path="/crm/v3/objects/deals", json={"properties": _texts(properties)})
    return _record(reply.body, is_new=True)


def _associate(inputs: Inputs, _: CallContext) -> Exchange:
    ours, theirs = inputs["from"], inputs["to"]
    path = f"/crm/v4/objects/{_about(ours)}/associations/default/{_about(theirs)}"
    yield Ask(method="PUT", path=path)
    return {"from": dict(ours), "to": dict(theirs)}


def _get(inputs: Inputs, _: CallContext) -> Exchange:
    query = {"idProperty": inputs.get("id_property"), "properties": ",".join(inputs.get("properties", [])) or None}
    reply = yield Ask(path=f"/crm/v3/objects/{_about(inputs)}", query=query)
    return _record(reply.body)


def _list(inputs: Inputs, _: CallContext) -> Exchange:
    filters = [
        {"propertyName": one["property"], "operator": one["operator"], **_filtered(one)}
        for one in inputs.get("filters", [])
    ]
    body = {
        "filterGroups": [{"filters": [*filters, *_bounds(inputs)]}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": inputs.get("properties", []),
        "limit": _PAGE,
        **({"after": inputs["after"]} if inputs.get("after") else {}),
    }
    reply = yield Ask(
        method="POST", path=f"/crm/v3/objects/{segment(inputs['object'])}/search", json=body, changes=False
    )
    if reply.body["total"] > _MOST:
        raise Refused(
            f"there are {reply.body['total']} records, and HubSpot shows {_MOST}: narrow the time or the filters"
        )
    following = ((reply.body.get("paging") or {}).get("next") or {}).get("after")
    return {"items": [_record(one) for one in reply.body["results"]], "next": following}


def _upserted(kind: str, *, by: str, value: object, properties: Mapping[str, object]) -> Exchange:
    one = {"idProperty": by, "id": str(value), "properties": {by: str(value), **_texts(properties)}}
    path = f"/crm/v3/objects/{segment(kind)}/batch/upsert"
    reply: Reply = yield Ask(method="POST", path=path, json={"inputs": [one]})
    results = reply.body.get("results") or []
    if not results:
        raise Unknown("hubspot took the record and did not say what became of it", evidence={"body": reply.text})
    return _record(results[0], is_new=bool(results[0].get("new")))


def _texts(properties: Mapping[str, Any]) -> Mapping[str, str]:
    """Every value of HubSpot is a text; an empty one clears."""
    return {name: _text(value) for name, value in properties.items()}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _filtered(one: Mapping[str, Any]) -> Mapping[str, object]:
    if "values" in one:
        return {"values": [_text(value) for value in one["values"]]}
    return {"value": _text(one["value"])} if "value" in one else {}


def _bounds(inputs: Inputs) -> Iterator[Mapping[str, object]]:
    time = inputs.get("time", {})
    for name, operator in (("from", "GTE"), ("to", "LT")):
        if time.get(name):
            try:
                at = datetime.fromisoformat(time[name])
            except ValueError as error:
                raise Refused(f"with/time/{name} must be an instant such as 2026-03-01T00:00:00Z") from error
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            yield {"propertyName": time["property"], "operator": operator, "value": str(int(at.timestamp() * 1000))}


def _about(one: Mapping[str, Any]) -> str:
    return f"{segment(one['object'])}/{segment(one['id'])}"


def _record(found: Mapping[str, Any], *, is_new: bool | None = None) -> Mapping[str, object]:
    shown = {
        "id": found["id"],
        "properties": found.get("properties", {}),
        "created_at": found.get("createdAt"),
        "updated_at": found.get("updatedAt"),
    }
    return shown if is_new is None else {**shown, "is_new": is_new}


_PLACE: Mapping[str, object] = {
    "type": "object",
    "properties": {"object": _OBJECT, "id": _ID},
    "required": ["object", "id"],
    "additionalProperties": False,
}
upsert = Action(
    name="hubspot.upsert",
    app=APP,
    input_schema=vendor.schema(
        {
            "object": _OBJECT,
            "id_property": {**_PROPERTY, "description": "A property whose values are unique."},
            "id": {**_ID, "description": "Its value for this record."},
            "properties": _PROPERTIES,
        },
        required=("object", "id_property", "id"),
    ),
    exchange=_upsert,
    repeats=lambda _: True,
)
upsert_contact = Action(
    name="hubspot.upsert_contact",
    app=APP,
    input_schema=vendor.schema(
        {"email": {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"}, "properties": _PROPERTIES},
        required=("email",),
    ),
    exchange=_upsert_contact,
    repeats=lambda _: True,
)
create_deal = Action(
    name="hubspot.create_deal",
    app=APP,
    input_schema=vendor.schema(
        {
            "name": {"type": "string", "minLength": 1},
            "amount": {"type": ["number", "string"]},
            "stage": {"type": "string"},
            "pipeline": {"type": "string"},
            "close_date": {"type": "string"},
            "owner": _ID,
            "properties": _PROPERTIES,
            "key_property": {
                **_PROPERTY,
                "description": "A property of deals with unique values, which is given the step's key: with it, a deal "
                "whose answer was lost is written again and stays one.",
            },
        },
        required=("name",),
    ),
    exchange=_create_deal,
    repeats=lambda inputs: "key_property" in inputs,
)
associate = Action(
    name="hubspot.associate",
    app=APP,
    input_schema=vendor.schema({"from": _PLACE, "to": _PLACE}, required=("from", "to")),
    exchange=_associate,
    repeats=lambda _: True,
)
get = Action(
    name="hubspot.get",
    app=APP,
    input_schema=vendor.schema(
        {
            "object": _OBJECT,
            "id": _ID,
            "id_property": _PROPERTY,
            "properties": {"type": "array", "items": _PROPERTY, "maxItems": 200},
        },
        required=("object", "id"),
    ),
    exchange=_get,
    reads=True,
)
list_records = Action(
    name="hubspot.list",
    app=APP,
    input_schema=vendor.schema(
        {
            "object": _OBJECT,
            "properties": {"type": "array", "items": _PROPERTY, "maxItems": 200},
            "filters": {
                "type": "array",
                "maxItems": 4,
                "items": {
                    "type": "object",
                    "properties": {
                        "property": _PROPERTY,
                        "operator": {
                            "enum": ["EQ", "NEQ", "LT", "LTE", "GT", "GTE", "IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"]
                        },
                        "value": _VALUE,
                        "values": {"type": "array", "items": _VALUE, "maxItems": 100},
                    },
                    "required": ["property", "operator"],
                    "additionalProperties": False,
                },
            },
            "time": {
                "type": "object",
                "description": "Which instants of which property, such as createdate.",
                "properties": {"property": _PROPERTY, "from": _INSTANT, "to": _INSTANT},
                "required": ["property"],
                "additionalProperties": False,
            },
            "after": {"type": ["string", "null"], "description": "`next` of the page before."},
        },
        required=("object",),
    ),
    exchange=_list,
    reads=True,
)
ACTIONS = (upsert, upsert_contact, create_deal, associate, get, list_records)
