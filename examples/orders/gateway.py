"""A payment gateway that takes money at most once per idempotency key, and misbehaves by a seed.

POST /charges {order_id, amount, currency, [customer_id]} with Idempotency-Key; GET, PUT and DELETE /charges?order_id=;
GET /charges?after= for all of them; GET /report.
"""

import re

from examples.orders import serving
from examples.orders.misbehaviour import Fault
from examples.orders.service import REFERENCE, Form

CHARGES = Form(
    name="charges",
    id_prefix="ch",
    status="taken",
    fields={"currency": re.compile("[A-Z]{3}")},
    optional={"customer_id": REFERENCE},
)

RATES = {Fault.UNAVAILABLE: 0.05, Fault.THROTTLED: 0.01, Fault.DROPPED: 0.02, Fault.SLOW: 0.02}

if __name__ == "__main__":
    serving.main(forms=[CHARGES], rates=RATES, description=__doc__ or "")
