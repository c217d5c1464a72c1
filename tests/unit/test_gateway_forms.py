"""What the outside systems of the example accept as a request's body."""

import json

import pytest

from examples.orders.crm import BOOKINGS, RECEIPTS
from examples.orders.gateway import CHARGES
from examples.orders.http_server import Problem
from examples.orders.money import amount_of, cents_of

CHARGE = {"order_id": "0001-19970101-00001", "amount": "29.33", "currency": "USD"}


def test_charge_is_read_into_cents_when_it_is_complete() -> None:
    posting = CHARGES.posting(body=json.dumps(CHARGE).encode(), idempotency_key="k")

    assert (posting.order_id, posting.amount_cents) == ("0001-19970101-00001", 2933)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"amount": 29.33}, "amount"),
        ({"amount": "29.3"}, "amount"),
        ({"amount": "-1.00"}, "amount"),
        ({"amount": "0.00"}, "more than 0.00"),
        ({"currency": "usd"}, "currency"),
        ({"order_id": ""}, "order_id"),
        ({"tip": "1.00"}, "exactly order_id, amount, currency"),
    ],
)
def test_charge_is_refused_with_the_name_of_the_field_when_it_is_wrong(change: dict[str, object], named: str) -> None:
    with pytest.raises(Problem) as refused:
        CHARGES.posting(body=json.dumps({**CHARGE, **change}).encode(), idempotency_key="k")

    assert refused.value.status == 400
    assert named in refused.value.detail


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"text"', b"\xff"])
def test_body_is_refused_when_it_is_not_a_json_object(body: bytes) -> None:
    with pytest.raises(Problem, match="JSON object"):
        RECEIPTS.posting(body=body, idempotency_key="k")


def test_booking_is_refused_when_the_charge_is_not_named() -> None:
    booking = {"order_id": "o", "amount": "1.00", "customer_id": "c"}

    with pytest.raises(Problem, match="charge_id"):
        BOOKINGS.posting(body=json.dumps(booking).encode(), idempotency_key="k")


@pytest.mark.parametrize(("amount", "cents"), [("0.00", 0), ("0.05", 5), ("29.33", 2933), ("244091.94", 24409194)])
def test_amount_survives_the_way_to_cents_and_back(amount: str, cents: int) -> None:
    assert cents_of(amount) == cents
    assert amount_of(cents) == amount
