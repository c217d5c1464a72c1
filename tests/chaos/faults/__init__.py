"""The registry of faults: a module here that lists its faults in `FAULTS` is all that a new one needs."""

from tests.chaos.faults import broker, network, processes, servers
from tests.chaos.faults.fault import Fault

ALL: tuple[Fault, ...] = (*processes.FAULTS, *servers.FAULTS, *broker.FAULTS, *network.FAULTS)
BY_NAME = {fault.kind.name: fault for fault in ALL}
KINDS = tuple(fault.kind for fault in ALL)
