"""The registry of workloads: one class in a file of its own, named here, is all that a new one needs."""

from tests.chaos.workloads.approvals import Approvals, Hurried
from tests.chaos.workloads.closings import Sagas, Tidied
from tests.chaos.workloads.failures import Failures
from tests.chaos.workloads.families import Detaching, Disappointed, Parents, Recalled, Revived, Slow
from tests.chaos.workloads.flows import (
    Batched,
    Debounced,
    Latest,
    Queued,
    RateLimited,
    Rejected,
    Single,
    Throttled,
)
from tests.chaos.workloads.forks import Forks
from tests.chaos.workloads.hooks import Hooked
from tests.chaos.workloads.items import Items
from tests.chaos.workloads.lanes import Lanes
from tests.chaos.workloads.limits import Limited
from tests.chaos.workloads.orders import Orders
from tests.chaos.workloads.retries import Growing, ItemRetries, Retries
from tests.chaos.workloads.schedules import SCHEDULED
from tests.chaos.workloads.sequences import Sequences
from tests.chaos.workloads.slow_calls import SlowCalls
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
    Approvals(),
    Hurried(),
    Parents(),
    Detaching(),
    Slow(),
    Recalled(),
    Disappointed(),
    Revived(),
    Growing(),
    SlowCalls(),
    Queued(),
    Rejected(),
    Latest(),
    Single(),
    Debounced(),
    Throttled(),
    RateLimited(),
    Batched(),
    Hooked(),
    *SCHEDULED,
)
BY_NAME = {workload.name: workload for workload in ALL}
