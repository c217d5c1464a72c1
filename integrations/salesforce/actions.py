"""The actions of Salesforce. Records are written by an external id: again, they are the same record."""

from collections.abc import Mapping

from integrations import vendor
from integrations.contract import CallContext
from integrations.errors import Refused
from integrations.salesforce import soql
from integrations.salesforce.connection import APP
from integrations.vendor import Action, Exchange, Inputs
from integrations.vendor_http import Ask, segment

_GONE = 404
_NAME: Mapping[str, object] = {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_]*$"}
_ONE: Mapping[str, object] = {"type": ["string", "number", "boolean", "null"]}
_BY: Mapping[str, object] = {
    "object": {**_NAME, "description": "Such as Account, or Order__c."},
    "external_id_field": {**_NAME, "description": "A field that is marked as external id, and unique."},
    "external_id": {"type": ["string", "integer"], "description": "Its value for this record."},
}


def _upsert(inputs: Inputs, _: CallContext) -> Exchange:
    reply = yield Ask(method="PATCH", path=_place(inputs), json=inputs["fields"])
    said = reply.body or {}  # a record that was there is answered with nothing by some versions
    return {"id": said.get("id"), "is_new": bool(said.get("created"))}


def _delete(inputs: Inputs, _: CallContext) -> Exchange:
    """One that is gone is what was wanted; but an object that never was is a mistake."""
    reply = yield Ask(method="DELETE", path=_place(inputs), allowed=(_GONE,))
    if reply.status == _GONE and "The requested resource does not exist" in reply.text:
        raise Refused(f"salesforce knows no {inputs['object']} by {inputs['external_id_field']}")
    return {"deleted": reply.status != _GONE}


def _query(inputs: Inputs, _: CallContext) -> Exchange:
    if inputs.get("after"):
        reply = yield Ask(path=f"/query/{segment(inputs['after'])}")
    else:
        try:
            text = soql.bound(inputs["soql"], values=inputs.get("params", {}), instants=inputs.get("instants", {}))
        except soql.Unbound as error:
            raise Refused(f"with/soql: {error}") from error
        reply = yield Ask(path="/query", query={"q": text})
    following = reply.body.get("nextRecordsUrl")
    return {
        "items": [_plain(record) for record in reply.body["records"]],
        "total": reply.body["totalSize"],
        "next": following.rpartition("/")[2] if following else None,
    }


def _place(inputs: Inputs) -> str:
    return f"/sobjects/{inputs['object']}/{inputs['external_id_field']}/{segment(inputs['external_id'])}"


def _plain(value: object) -> object:
    """A record without what Salesforce says of its type and address, and those inside it."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items() if name != "attributes"}
    return [_plain(part) for part in value] if isinstance(value, list) else value


upsert = Action(
    name="salesforce.upsert",
    app=APP,
    input_schema=vendor.schema(
        {**_BY, "fields": {"type": "object", "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]*$"}}},
        required=("object", "external_id_field", "external_id", "fields"),
    ),
    exchange=_upsert,
    repeats=lambda _: True,
)
delete = Action(
    name="salesforce.delete",
    app=APP,
    input_schema=vendor.schema(_BY, required=("object", "external_id_field", "external_id")),
    exchange=_delete,
    repeats=lambda _: True,
)
query = Action(
    name="salesforce.query",
    app=APP,
    input_schema=vendor.schema(
        {
            "soql": {"type": "string", "minLength": 1, "maxLength": 20_000, "x-constant": True},
            "params": {
                "type": "object",
                "additionalProperties": {"anyOf": [_ONE, {"type": "array", "items": _ONE, "maxItems": 200}]},
                "description": "Values for :name in the statement.",
            },
            "instants": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "Instants for :name in the statement, which SOQL writes without quotes.",
            },
            "after": {"type": ["string", "null"], "description": "`next` of the page before."},
        },
        required=("soql",),
    ),
    exchange=_query,
    reads=True,
)
ACTIONS = (upsert, delete, query)
