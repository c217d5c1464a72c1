"""Faults of the servers: crash and restart, clean restart, loss of all data, freezing."""

from collections.abc import Callable
from random import Random

from tests.chaos.faults.fault import Fault, Mend, Strike, fault, nothing
from tests.chaos.stage import Stage
from tests.support.servers import RemoteServer, RemoteServers

_DOWN_S = (0.2, 3.0)
_FREEZE_S = (0.5, 4.0)


def _strike(
    server: Callable[[RemoteServers], RemoteServer],
    hit: Callable[[RemoteServer], None],
    mend: Callable[[RemoteServer], None] | None,
) -> Strike:
    def strike(stage: Stage, _dice: Random) -> Mend:
        chosen = server(stage.servers)
        hit(chosen)
        return nothing if mend is None else lambda: mend(chosen)

    return strike


def _faults(name: str, server: Callable[[RemoteServers], RemoteServer]) -> tuple[Fault, ...]:
    kill, stop, start = RemoteServer.kill, RemoteServer.stop, RemoteServer.start
    return (
        fault(f"{name} killed", target=name, lasts_s=_DOWN_S, strike=_strike(server, kill, start)),
        fault(f"{name} restarted", target=name, lasts_s=_DOWN_S, strike=_strike(server, stop, start)),
    )


def _data_faults(name: str, server: Callable[[RemoteServers], RemoteServer]) -> tuple[Fault, ...]:
    """For servers whose data may be lost: PostgreSQL's is the truth, and may not."""
    wipe, pause, resume = RemoteServer.wipe, RemoteServer.pause, RemoteServer.resume
    return (
        fault(f"{name} wiped", target=name, lasts_s=(0.0, 0.1), strike=_strike(server, wipe, None)),
        fault(f"{name} frozen", target=name, lasts_s=_FREEZE_S, strike=_strike(server, pause, resume)),
    )


FAULTS: tuple[Fault, ...] = (
    *_faults("postgres", lambda servers: servers.postgres),
    *_faults("rabbitmq", lambda servers: servers.rabbitmq),
    *_faults("redis", lambda servers: servers.redis),
    *_data_faults("rabbitmq", lambda servers: servers.rabbitmq),
    *_data_faults("redis", lambda servers: servers.redis),
)
