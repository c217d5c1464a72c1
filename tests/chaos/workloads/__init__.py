"""The registry of workloads: one class in a file of its own, named here, is all that a new one needs."""

from tests.chaos.workloads.closings import Sagas, Tidied
from tests.chaos.workloads.failures import Failures
from tests.chaos.workloads.forks import Forks
from tests.chaos.workloads.items import Items
from tests.chaos.workloads.lanes import Lanes
from tests.chaos.workloads.limits import Limited
from tests.chaos.workloads.orders import Orders
from tests.chaos.workloads.retries import ItemRetries, Retries
from tests.chaos.workloads.sequences import Sequences
from tests.chaos.workloads.stubborn import Stubborn, StubbornItems
from tests.chaos.workloads.waits import Timers, WaitingItems
from tests.chaos.workloads.workload import Workload

ALL: tuple[Workload, ...] = (
    Sequences(),
    Forks(),
    Items(),
    Retries(),
    ItemRetries(),
    Orders(),
    Lanes(),
    Failures(),
    Stubborn(),
    StubbornItems(),
    Timers(),
    WaitingItems(),
    Limited(),
    Sagas(),
    Tidied(),
)
BY_NAME = {workload.name: workload for workload in ALL}
