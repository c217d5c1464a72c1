"""Which requests the gateway spoils."""

from collections import Counter

import pytest

from examples.orders import crm, gateway
from examples.orders.misbehaviour import Fault, Misbehaviour


def test_gateway_spoils_the_shares_it_promises() -> None:
    misbehaviour = Misbehaviour(seed=1, rates=gateway.RATES)

    faults = Counter(misbehaviour.fault_for(key=f"key-{i}", nth=1) for i in range(20_000))

    assert faults[Fault.UNAVAILABLE] / 20_000 == pytest.approx(0.05, abs=0.005)
    assert faults[Fault.THROTTLED] / 20_000 == pytest.approx(0.01, abs=0.003)
    assert faults[Fault.DROPPED] / 20_000 == pytest.approx(0.02, abs=0.004)
    assert faults[Fault.SLOW] / 20_000 == pytest.approx(0.02, abs=0.004)


def test_crm_never_drops_a_connection() -> None:
    misbehaviour = Misbehaviour(seed=1, rates=crm.RATES)

    faults = {misbehaviour.fault_for(key=f"key-{i}", nth=1) for i in range(5_000)}

    assert faults == {None, Fault.UNAVAILABLE, Fault.SLOW}


def test_fault_depends_on_seed_key_and_number_alone() -> None:
    def faults(seed: int, key: str) -> list[Fault | None]:
        misbehaviour = Misbehaviour(seed=seed, rates={Fault.UNAVAILABLE: 0.5})
        return [misbehaviour.fault_for(key=key, nth=nth) for nth in range(1, 65)]

    assert faults(1, "a") == faults(1, "a")
    assert faults(1, "a") != faults(2, "a")
    assert faults(1, "a") != faults(1, "b")
    assert len(set(faults(1, "a"))) == 2


def test_fault_is_none_when_there_are_no_rates() -> None:
    misbehaviour = Misbehaviour(seed=1, rates={})

    assert {misbehaviour.fault_for(key=str(i), nth=1) for i in range(100)} == {None}
