"""Outbound calls: each run charges a gateway that fails, throttles, and drops connections after it took the money."""

from collections.abc import Mapping
from random import Random

from tests.chaos.workloads.workload import CONNECTION, Scene, Workload, mark
from workflows.core.definition import JsonValue

STEP = "charge"
RETRY_AFTER_S = 1.0
"""What the gateway asks for when it throttles: more than the cap of the retry rule."""


class Orders(Workload):
    """One charge per order, however often it has to be asked for."""

    name = "chaos-order"
    weight = 4

    def steps(self, scene: Scene) -> Mapping[str, object]:
        request = {
            "method": "POST",
            "path": "/charges",
            "json": {"order_id": "${{ input.order_id }}", "amount": "${{ input.amount }}", "currency": "EUR"},
        }
        return {
            STEP: {"uses": "http.request", "connection": CONNECTION, "with": request, "queue": "io"},
            "receipt": mark(scene, "${{ steps.charge.output.body.order_id }}", needs=STEP),
        }

    def output(self) -> object:
        return {"paid": "${{ steps.charge.output.body.amount }}", "order_id": "${{ steps.receipt.output }}"}

    def value(self, *, dice: Random, number: int) -> JsonValue:
        return {"number": number, "order_id": f"order-{number}", "amount": f"{dice.randint(1, 500)}.{number % 100:02}"}

    def result(self, value: JsonValue) -> object:
        assert isinstance(value, Mapping)
        return {"paid": value["amount"], "order_id": value["order_id"]}
