"""Sends cases on their journey with today's code, and catches every message on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

from celery import current_app

from config.broker import DEAD
from tests.flows.driving import claimable, publish, start
from tests.support.processes import Processes
from tests.support.waiting import wait_until
from tests.wire.cases import CASES, READ, UNKNOWN_TASK, UNREAD, Case
from tests.wire.message import Message, caught, put
from workflows import plans
from workflows.dispatch import canvas
from workflows.execution import shift
from workflows.models import Activation
from workflows.store import Due


@dataclass(frozen=True, slots=True)
class Journey:
    """A case under way: the name of its workflow and its runs."""

    case: Case
    workflow: str
    run_ids: Sequence[UUID]

    @property
    def names(self) -> Mapping[str, str]:
        """This will be the names that differ from one journey to the next, and what stands for them in a file."""
        return {str(run_id): f"{{run{number}}}" for number, run_id in enumerate(self.run_ids)} | {
            self.workflow: "{workflow}"
        }

    def owns(self, message: Message) -> bool:
        """This will tell whether a message belongs to this journey."""
        return any(name in message.text() for name in self.names)


def begin(case: Case) -> Journey:
    """This will start the runs of a case, which nobody dispatches."""
    workflow = publish(case.steps)
    run_ids = [] if case.task else [start(workflow) for _ in range(case.runs)]
    if case.pullers > 1:
        shift.execute(claimable(*run_ids))  # it opens the `for_each`, and its first attempts fail
        assert Activation.objects.filter(run_id__in=run_ids).count() == case.pullers
    return Journey(case, workflow, run_ids)


def send(journey: Journey) -> None:
    """This will send what this release sends first."""
    if journey.case.task:
        current_app.send_task(journey.case.task, kwargs={"workflow": journey.workflow, "input": None}, queue=READ)
        return
    dues = [
        Due(row.run_id, row.version_id, row.segment, row.slot, row.lane, row.priority, 1, False)
        for row in Activation.objects.filter(run_id__in=journey.run_ids).order_by("id")
    ]
    programs = {due.version_id: plans.program_of(due.version_id) for due in dues}
    for parcel in canvas.parcels(dues, programs=programs):
        parcel.canvas.apply_async()


def first_messages(journey: Journey) -> Sequence[Message]:
    """This will catch what was sent first; nobody may read the lane meanwhile."""
    return [message for message in caught(READ) if journey.owns(message)]


def later_messages(journeys: Mapping[str, Journey]) -> Mapping[str, list[Message]]:
    """This will catch what a worker sends on, and what the broker sets aside."""
    wanted = {name: journey.case.later for name, journey in journeys.items()}
    found: dict[str, list[Message]] = {name: [] for name in journeys}

    def is_complete() -> bool:
        for message in chain.from_iterable(caught(lane) for lane in (*UNREAD, DEAD)):
            for name in found:
                if journeys[name].owns(message):
                    found[name].append(message)
        return all(len(found[name]) >= count for name, count in wanted.items())

    try:
        wait_until(is_complete, limit_s=60)
    except AssertionError as error:
        caught_so_far = {name: len(messages) for name, messages in found.items()}
        raise AssertionError(f"a worker has sent on {caught_so_far} instead of {wanted}") from error
    return found


def todays_messages(processes: Processes) -> Mapping[str, tuple[Journey, Sequence[Message]]]:
    """This will have every case on its way with a worker of today, and give all messages it took."""
    declare_queues()
    journeys = {name: begin(case) for name, case in CASES.items()}
    first: dict[str, Sequence[Message]] = {}
    for name, journey in journeys.items():
        send(journey)
        first[name] = first_messages(journey)
    put_back([message for messages in first.values() for message in messages])
    processes.start_worker(lanes=[READ], wait=False)
    later = later_messages(journeys)
    return {
        name: (journey, later[name] if journey.case.task == UNKNOWN_TASK else [*first[name], *later[name]])
        for name, journey in journeys.items()
    }


def declare_queues() -> None:
    """This will have a broker with the queues of the platform."""
    with current_app.connection_for_write() as connection, connection.channel() as channel:
        for queue in current_app.amqp.queues.values():
            queue(channel).declare()


def put_back(messages: Sequence[Message]) -> None:
    """This will put first messages back where a worker will find them."""
    exchange = current_app.amqp.queues[READ].exchange
    for message in messages:
        put(message, exchange=exchange, routing_key=READ)
