"""The actions of Stripe. Amounts are whole numbers of the currency's smallest unit, as Stripe has them.

What is created carries the step's key in its metadata (`automation_key`), and is created under it as idempotency key.
Stripe keeps such keys for a day; its search finds payments within a minute: both together settle whatever was unknown.
"""

from collections.abc import Generator, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations import vendor
from integrations.contract import CallContext, CannotTell, DidNotHappen, Happened, LookUp
from integrations.errors import Refused
from integrations.stripe.connection import APP
from integrations.stripe.question import Question
from integrations.vendor import Action, Exchange, Inputs

KEY = "automation_key"
_PAGE = 100
_AMOUNT: Mapping[str, object] = {
    "type": "integer",
    "minimum": 1,
    "maximum": 99_999_999,
    "description": "In the smallest unit of the currency: 1250 is 12.50 EUR.",
}
_METADATA: Mapping[str, object] = {
    "type": "object",
    "maxProperties": 49,
    "propertyNames": {"maxLength": 40},
    "additionalProperties": {"type": "string", "maxLength": 500},
}
_PAYMENT: Mapping[str, object] = {"type": "string", "pattern": "^pi_[A-Za-z0-9_]+$"}
_INSTANT: Mapping[str, object] = {"type": ["string", "null"], "format": "date-time"}
_LISTS = ("charges", "payment_intents", "refunds", "balance_transactions", "payouts", "customers")


def _create(inputs: Inputs, context: CallContext) -> Exchange:
    made = yield Question(
        service="payment_intents", verb="create", params=_marked(inputs, context), key=context.idempotency_key
    )
    return _shown(made)


def _find_payment(inputs: Inputs, context: CallContext) -> Generator[Question, Any, LookUp]:
    """One that is there although it was declined answers the same key with that refusal: it is sent again."""
    word = context.idempotency_key.replace("\\", "\\\\").replace("'", "\\'")
    query = f"metadata['{KEY}']:'{word}'"
    found = yield Question(service="payment_intents", verb="search", params={"query": query, "limit": 1})
    for payment in found["data"]:
        if payment["status"] != "requires_payment_method" or not inputs.get("confirm"):
            return Happened(_shown(payment))
    return CannotTell("the search of Stripe, which is a minute late, does not find it")


def _change(verb: str, inputs: Inputs, context: CallContext) -> Exchange:
    params = {name: value for name, value in inputs.items() if name != "payment"}
    changed = yield Question(
        service="payment_intents", verb=verb, of=inputs["payment"], params=params, key=context.idempotency_key
    )
    return _shown(changed)


def _find_change(status: str, inputs: Inputs) -> Generator[Question, Any, LookUp]:
    payment = yield Question(service="payment_intents", verb="retrieve", of=inputs["payment"])
    if payment["status"] == status:
        return Happened(_shown(payment))
    return DidNotHappen(f"the payment is {payment['status']}")


def _refund(inputs: Inputs, context: CallContext) -> Exchange:
    params = _marked(inputs, context)
    params |= _about(params)
    made = yield Question(service="refunds", verb="create", params=params, key=context.idempotency_key)
    return _shown(made)


def _find_refund(inputs: Inputs, context: CallContext) -> Generator[Question, Any, LookUp]:
    after: dict[str, object] = {}
    while True:
        params = {**_about({"payment": inputs.get("payment"), "charge": inputs.get("charge")}), "limit": _PAGE, **after}
        found = yield Question(service="refunds", verb="list", params=params)
        for refund in found["data"]:
            if (refund.get("metadata") or {}).get(KEY) == context.idempotency_key:
                return Happened(_shown(refund))
        if not found["has_more"]:
            return DidNotHappen("no refund of the payment carries the key")
        after = {"starting_after": found["data"][-1]["id"]}


def _get(inputs: Inputs, _: CallContext) -> Exchange:
    return _shown((yield Question(service="payment_intents", verb="retrieve", of=inputs["payment"])))


def _list(inputs: Inputs, _: CallContext) -> Exchange:
    params: dict[str, object] = {"limit": inputs.get("limit", _PAGE)}
    created = dict(_bounds(inputs))
    if created:
        params["created"] = created
    if inputs.get("after"):
        params["starting_after"] = inputs["after"]
    found = yield Question(service=inputs["object"], verb="list", params=params)
    items = [_shown(item) for item in found["data"]]
    return {"items": items, "next": items[-1]["id"] if found["has_more"] and items else None}


def _marked(inputs: Inputs, context: CallContext) -> dict[str, Any]:
    """The parameters of something that is created."""
    return {**inputs, "metadata": {**inputs.get("metadata", {}), KEY: context.idempotency_key}}


def _about(params: dict[str, Any]) -> Mapping[str, object]:
    """Stripe calls the payment of a refund `payment_intent`."""
    payment, charge = params.pop("payment", None), params.pop("charge", None)
    return {"payment_intent": payment} if payment else {"charge": charge}


def _bounds(inputs: Inputs) -> Iterator[tuple[str, int]]:
    for name, operator in (("created_from", "gte"), ("created_to", "lt")):
        if inputs.get(name):
            try:
                at = datetime.fromisoformat(inputs[name])
            except ValueError as error:
                raise Refused(f"with/{name} must be an instant such as 2026-03-01T00:00:00Z") from error
            yield operator, int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _shown(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object as Stripe gives it, with its instant in words, and without what lets a browser pay."""
    shown = {name: value for name, value in found.items() if name != "client_secret"}
    if isinstance(found.get("created"), int):
        shown["created_at"] = datetime.fromtimestamp(found["created"], UTC).isoformat().replace("+00:00", "Z")
    return shown


def _always(_: Inputs) -> bool:
    return True


create_payment = Action(
    name="stripe.create_payment",
    app=APP,
    input_schema=vendor.schema(
        {
            "amount": _AMOUNT,
            "currency": {"type": "string", "pattern": "^[a-z]{3}$"},
            "payment_method": {"type": "string", "minLength": 1},
            "customer": {"type": "string", "pattern": "^cus_"},
            "confirm": {"type": "boolean", "description": "Whether it is paid at once."},
            "off_session": {"type": "boolean", "description": "The customer is not there; needs confirm."},
            "capture_method": {"enum": ["automatic", "automatic_async", "manual"]},
            "payment_method_types": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "return_url": {"type": "string", "pattern": "^https?://"},
            "receipt_email": {"type": "string", "pattern": "@"},
            "description": {"type": "string", "maxLength": 1_000},
            "metadata": _METADATA,
        },
        required=("amount", "currency"),
    ),
    exchange=_create,
    repeats=_always,
    finding=_find_payment,
)
capture_payment = Action(
    name="stripe.capture_payment",
    app=APP,
    input_schema=vendor.schema({"payment": _PAYMENT, "amount_to_capture": _AMOUNT}, required=("payment",)),
    exchange=lambda inputs, context: _change("capture", inputs, context),
    repeats=_always,
    finding=lambda inputs, _: _find_change("succeeded", inputs),
)
cancel_payment = Action(
    name="stripe.cancel_payment",
    app=APP,
    input_schema=vendor.schema(
        {
            "payment": _PAYMENT,
            "cancellation_reason": {"enum": ["duplicate", "fraudulent", "requested_by_customer", "abandoned"]},
        },
        required=("payment",),
    ),
    exchange=lambda inputs, context: _change("cancel", inputs, context),
    repeats=_always,
    finding=lambda inputs, _: _find_change("canceled", inputs),
)
refund = Action(
    name="stripe.refund",
    app=APP,
    input_schema=vendor.schema(
        {
            "payment": _PAYMENT,
            "charge": {"type": "string", "pattern": "^(ch|py)_"},
            "amount": {**_AMOUNT, "description": "Without it, all that is left."},
            "reason": {"enum": ["duplicate", "fraudulent", "requested_by_customer"]},
            "metadata": _METADATA,
        },
        oneOf=[{"required": ["payment"]}, {"required": ["charge"]}],
    ),
    exchange=_refund,
    repeats=_always,
    finding=_find_refund,
)
get_payment = Action(
    name="stripe.get_payment",
    app=APP,
    input_schema=vendor.schema({"payment": _PAYMENT}, required=("payment",)),
    exchange=_get,
    reads=True,
)
list_objects = Action(
    name="stripe.list",
    app=APP,
    input_schema=vendor.schema(
        {
            "object": {"enum": list(_LISTS)},
            "created_from": {**_INSTANT, "description": "From this instant on."},
            "created_to": {**_INSTANT, "description": "Before this instant."},
            "after": {"type": ["string", "null"], "description": "`next` of the page before."},
            "limit": {"type": "integer", "minimum": 1, "maximum": _PAGE, "default": _PAGE},
        },
        required=("object",),
    ),
    exchange=_list,
    reads=True,
)
ACTIONS = (create_payment, capture_payment, cancel_payment, refund, get_payment, list_objects)
