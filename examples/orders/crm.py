"""A CRM that books orders and issues receipts, each once per idempotency key, and is sometimes out of order.

POST /bookings {order_id, amount, customer_id, charge_id} and POST /receipts {order_id, amount, booking_id},
both with Idempotency-Key; GET, PUT and DELETE
/bookings?order_id= and /receipts?order_id=; GET /bookings?after= for all of them; GET /report.
"""

from examples.orders import serving
from examples.orders.misbehaviour import Fault
from examples.orders.service import REFERENCE, Form

BOOKINGS = Form(
    name="bookings",
    id_prefix="bk",
    status="booked",
    fields={"customer_id": REFERENCE, "charge_id": REFERENCE},
)
RECEIPTS = Form(name="receipts", id_prefix="rc", status="issued", fields={"booking_id": REFERENCE})

RATES = {Fault.UNAVAILABLE: 0.02, Fault.SLOW: 0.01}

if __name__ == "__main__":
    serving.main(forms=[BOOKINGS, RECEIPTS], rates=RATES, description=__doc__ or "")
