"""A payment whose answer was lost: paid once at Stripe, whatever its search has seen by then."""

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from integrations import http, operations, queries
from integrations.connections import ConnectionSpec
from integrations.errors import Refused, Unknown
from tests.flows import driving
from tests.support import calling, outbound
from tests.support.peers import stripe
from tests.support.peers.contract import Services

pytestmark = pytest.mark.usefixtures("database", "_tidy")


@pytest.fixture
def _tidy() -> Iterator[None]:
    yield
    http.close_connections()
    queries.forget_connections()


@pytest.fixture
def peer(services: Services) -> Iterator[stripe.CreatePayment]:
    """This will be Stripe, whose search is not late when the test ends."""
    made = stripe.CreatePayment(services)
    yield made
    made.simulator.index_is_late = False


@pytest.fixture
def pay(peer: stripe.CreatePayment, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """This will make attempts of a run as the engine does."""
    monkeypatch.setenv("STRIPE_OF_THE_TEST", stripe.KEY)
    spec = ConnectionSpec(
        name=f"stripe-{uuid4().hex[:12]}",
        kind="stripe",
        environment="test",
        base_url=peer.connection().base_url,
        secrets={"api_key": "env:STRIPE_OF_THE_TEST"},
        allow_private=True,
    )
    operations.save_connection(spec=spec, actor=driving.TESTER, now=timezone.now(), correlation_id="")

    def attempt(*, run_id: UUID, amount: int = 1250) -> Any:  # Any: JSON
        inputs = {**peer.payment(order=str(run_id)), "amount": amount}
        arguments = calling.call_arguments(spec.name, inputs, run_id=run_id)
        return outbound.operation(**{**arguments, "uses": "stripe.create_payment"})

    return attempt


@pytest.mark.usefixtures("each_way")
@pytest.mark.parametrize(("is_late", "settled_by"), [(True, "key"), (False, "look_up")], ids=str)
def test_a_payment_whose_answer_was_lost_is_paid_once(
    peer: stripe.CreatePayment, pay: Callable[..., Any], is_late: bool, settled_by: str
) -> None:
    run_id, before = uuid4(), peer.effects()
    peer.simulator.index_is_late, peer.simulator.hangs_up = is_late, True
    with pytest.raises(Unknown) as lost:
        pay(run_id=run_id)
    assert lost.value.repeatable
    assert calling.call_of(run_id).outcome == "unknown"

    paid = pay(run_id=run_id)

    assert paid["status"] == "succeeded"
    call = calling.call_of(run_id)
    assert (call.outcome, call.settled_by, call.happened) == ("settled", settled_by, True)
    assert peer.effects() == before + 1
    assert peer.simulator.count("payment_intent", id=paid["id"]) == 1


def test_another_amount_under_the_key_of_a_lost_payment_is_not_sent(
    peer: stripe.CreatePayment, pay: Callable[..., Any]
) -> None:
    run_id, before, peer.simulator.hangs_up = uuid4(), peer.effects(), True
    with pytest.raises(Unknown):
        pay(run_id=run_id)

    with pytest.raises(Refused, match="not the one of attempt 1"):
        pay(run_id=run_id, amount=1300)

    assert peer.effects() == before + 1
