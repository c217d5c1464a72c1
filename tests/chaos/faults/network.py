"""Faults of the network: what goes to a server is late, stands still, is cut, or is turned away."""

from collections.abc import Callable
from random import Random
from typing import TypeAlias

from tests.chaos.faults.fault import Fault, Mend, Strike, fault
from tests.chaos.network import Network
from tests.chaos.stage import Stage

_ROUTES = ("postgres", "rabbitmq", "redis", "gateway")
_DELAY_S = (0.02, 0.3)
_Act: TypeAlias = Callable[[Network, str, Random], None]


def _delay(network: Network, route: str, dice: Random) -> None:
    network.delay(route, delay_s=dice.uniform(*_DELAY_S))


def _halt(network: Network, route: str, _dice: Random) -> None:
    network.halt(route)


def _refuse(network: Network, route: str, _dice: Random) -> None:
    network.refuse(route)


def _drop(network: Network, route: str, _dice: Random) -> None:
    network.drop(route)


def _until_opened(act: _Act, *, route: str) -> Strike:
    def strike(stage: Stage, dice: Random) -> Mend:
        act(stage.network, route, dice)
        return lambda: stage.network.open(route)

    return strike


def _faults(route: str) -> tuple[Fault, ...]:
    target = f"network to {route}"
    return (
        fault(f"{target} slow", target=target, lasts_s=(1.0, 5.0), strike=_until_opened(_delay, route=route)),
        fault(f"{target} halted", target=target, lasts_s=(0.5, 6.0), strike=_until_opened(_halt, route=route)),
        fault(f"{target} refused", target=target, lasts_s=(0.2, 4.0), strike=_until_opened(_refuse, route=route)),
        fault(f"{target} dropped", target=target, lasts_s=(0.0, 0.1), strike=_until_opened(_drop, route=route)),
    )


FAULTS: tuple[Fault, ...] = tuple(found for route in _ROUTES for found in _faults(route))
