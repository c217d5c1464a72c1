"""A shop that steps call, and attempts of such calls as the engine makes them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from django.utils import timezone
from werkzeug import Request, Response

from integrations import operations, queries
from integrations.connections import ConnectionSpec
from integrations.contract import CallContext, CallOrigin
from integrations.models import Call, Connection
from tests.flows import driving
from tests.support import outbound
from workflows import cel_inputs
from workflows.core.identity import idempotency_key

POST: Mapping[str, object] = {"method": "POST", "path": "/charges", "json": {"amount": "12.50"}}
BLIND: Mapping[str, object] = {**POST, "idempotency": "none"}
"""A request that the peer cannot take for the same when it comes again."""


def shop_at(base_url: str, **fields: object) -> str:
    """This will save a connection to a shop, and give its name."""
    name = f"shop-{uuid4().hex[:12]}"
    spec = ConnectionSpec(name=name, base_url=base_url, allow_private=True, **fields)  # type: ignore[arg-type]  # any of its fields
    operations.save_connection(spec=spec, actor=driving.TESTER, now=timezone.now(), correlation_id="")
    return name


def lead(shop: str, *, to: str) -> None:
    """This will change the address of a connection to a shop."""
    spec = replace(queries.spec_of(Connection.objects.get(name=shop)), base_url=to)
    operations.save_connection(spec=spec, actor=driving.TESTER, now=timezone.now(), correlation_id="")


def charge(shop: str, inputs: Mapping[str, object] = POST, **more: object) -> Mapping[str, object]:
    """This will be the one step of a workflow: it calls the shop."""
    return {"charge": {"uses": "http.request", "connection": shop, "with": inputs, "retry": driving.AT_ONCE, **more}}


def attempt(
    shop: str, inputs: Mapping[str, object] = POST, *, run_id: UUID | None = None, timeout_s: float = 5.0
) -> object:
    """This will make one attempt as the engine does for the step `charge` of a run."""
    return outbound.operation(**call_arguments(shop, inputs, run_id=run_id, timeout_s=timeout_s))


def call_arguments(
    shop: str, inputs: Mapping[str, object] = POST, *, run_id: UUID | None = None, timeout_s: float = 5.0
) -> dict[str, Any]:  # Any: the arguments of `operations.call`
    """This will give what the engine calls an adapter with."""
    run = run_id or uuid4()
    context = CallContext(
        idempotency_key=idempotency_key(run=run, step="charge", index=None),
        timeout_s=timeout_s,
        attempt=1,
        run_id=str(run),
        step="charge",
        correlation_id="order-7",
        origin=CallOrigin(workflow="orders"),
        evaluate=cel_inputs.evaluate,
    )
    return {"uses": "http.request", "inputs": inputs, "connection": shop, "context": context}


def call_of(run_id: UUID) -> Call:
    """This will read the only call of a run."""
    return Call.objects.get(run_id=run_id)


def broken(_request: Request) -> Response:
    """This will answer as a peer that broke somewhere: nobody can tell whether the effect is there."""
    return Response("it broke", status=500)
