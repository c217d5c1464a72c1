"""From due rows to messages: which runs share a wake-up, and which of Celery's primitives carry a frontier."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from celery import Signature, current_app
from django.utils import timezone
from kombu.exceptions import OperationalError

from config import amqp_broker
from tests.flows.driving import call, claimable, publish, start, take_due, work
from tests.support.servers import RemoteServers
from workflows import plans, store
from workflows.dispatch import canvas, relay
from workflows.dispatch.canvas import Parcel
from workflows.dispatch.order import Order
from workflows.dispatch.publisher import Publisher
from workflows.models import Activation, Run, WorkflowVersion
from workflows.store import Due

pytestmark = pytest.mark.usefixtures("database")


def packed(*run_ids: UUID, was_lost: bool = False) -> Sequence[Parcel]:
    """This will pack all that is claimable of these runs."""
    dues = [
        Due(row.run_id, row.version_id, row.segment, row.slot, row.lane, row.priority, 1, was_lost)
        for row in Activation.objects.filter(run_id__in=run_ids).order_by("id")
    ]
    programs = {due.version_id: plans.program_of(due.version_id) for due in dues}
    return list(canvas.parcels(dues, programs=programs))


def queues(signature: Mapping[str, object]) -> object:
    """This will give a signature's queues in the shape of its canvas."""
    kwargs = signature["kwargs"]
    if signature["task"] == canvas.TASK:
        return signature["options"]["queue"]  # type: ignore[index]  # a signature is a dict of dicts
    if signature["task"] == "celery.chain":
        return ("chain", *(queues(part) for part in kwargs["tasks"]))  # type: ignore[index]
    if signature["task"] == "celery.group":
        return ("group", *(queues(part) for part in kwargs["tasks"]))  # type: ignore[index]
    header = kwargs["header"]  # type: ignore[index]
    parts = header["kwargs"]["tasks"] if isinstance(header, Signature) else header
    return ("chord", [queues(part) for part in parts], queues(kwargs["body"]))  # type: ignore[index]


def test_short_runs_share_wake_ups() -> None:
    workflow = publish({"only": call("noop")})
    ids = [start(workflow) for _ in range(32)]

    parcels = packed(*ids)

    assert 1 < len(parcels) < 32
    assert max(len(parcel.refs) for parcel in parcels) <= canvas.BATCH_MAX
    assert [ref for parcel in parcels for ref in parcel.refs] == claimable(*ids)


@pytest.mark.parametrize(
    "step",
    [
        call("noop", for_each=[1]),
        call("noop", retry={"attempts": 1}),
        call("noop", retry={"on": ["unavailable"]}),
        {"uses": "http.request", "with": {"method": "GET", "url": "http://127.0.0.1:9"}},
    ],
)
def test_run_that_could_suffer_from_another_has_a_wake_up_of_its_own(step: Mapping[str, object]) -> None:
    workflow = publish({"only": step})

    parcels = packed(*(start(workflow) for _ in range(32)))

    assert [len(parcel.refs) for parcel in parcels] == [1] * 32


def test_run_whose_worker_was_lost_is_woken_alone() -> None:
    workflow = publish({"only": call("noop")})

    parcels = packed(*(start(workflow) for _ in range(32)), was_lost=True)

    assert [len(parcel.refs) for parcel in parcels] == [1] * 32


def test_fork_whose_branches_meet_in_one_join_is_a_chord() -> None:
    run_id = start(
        publish(
            {
                "b": call("noop", queue="io"),
                "a": call("noop"),
                "c": call("noop", needs="b"),
                "join": call("noop", needs=["a", "c"], queue="bulk"),
            }
        )
    )

    (parcel,) = packed(run_id)

    assert queues(parcel.canvas) == ("chord", [("chain", "io", "default"), "default"], "bulk")
    assert len(parcel.refs) == 2


def test_steps_on_alternating_lanes_are_a_chain() -> None:
    run_id = start(publish({"a": call("noop"), "b": call("noop", needs="a", queue="io"), "c": call("noop", needs="b")}))

    (parcel,) = packed(run_id)

    assert queues(parcel.canvas) == ("chain", "default", "io", "default")


def test_items_are_a_chord_of_pullers() -> None:
    run_id = start(
        publish({"map": call("noop", for_each=[1, 2, 3], parallel=3), "join": call("noop", needs="map", queue="io")})
    )
    row = Activation.objects.get(run_id=run_id)
    for slot in (1, 2):
        row.pk, row.slot = None, slot
        row.save(force_insert=True)

    (parcel,) = packed(run_id)

    assert queues(parcel.canvas) == ("chord", ["default"] * 3, "io")
    assert [ref.slot for ref in parcel.refs] == [0, 1, 2]


def test_branches_without_a_common_join_are_sent_apart() -> None:
    run_id = start(publish({"a": call("noop"), "b": call("noop", queue="io")}))

    assert sorted(str(queues(parcel.canvas)) for parcel in packed(run_id)) == ["default", "io"]
    work(run_id)


def test_version_that_cannot_be_read_holds_up_its_own_runs_only() -> None:
    broken, sound = (start(publish({"only": call("noop")})) for _ in range(2))
    version_id = Run.objects.get(id=broken).version_id
    WorkflowVersion.objects.filter(id=version_id).update(plan="not a plan")

    with Publisher(current_app) as publisher:
        order = Order()
        while relay.dispatch_due(publisher, order=order, rooms={"default": 500}).dues:
            pass

    waiting = Activation.objects.filter(run_id__in=(broken, sound))
    assert {row.run_id: row.dispatches for row in waiting} == {broken: 1, sound: 1}


def test_dispatch_is_not_held_up_for_long_by_a_redis_that_stands_still(servers: RemoteServers) -> None:
    """Connections stay open and nobody answers: a fork is sent as single messages then."""
    fork = {"a": call("noop"), "b": call("noop"), "join": call("noop", needs=["a", "b"])}
    with Publisher(current_app) as publisher:
        order, rooms = Order(), {"default": 500}
        run_id = start(publish(fork))
        servers.redis.pause()
        began = time.monotonic()
        while relay.dispatch_due(publisher, order=order, rooms=rooms).dues:
            pass
        took_s = time.monotonic() - began

    servers.redis.resume()
    assert took_s < 15.0
    assert set(Activation.objects.filter(run_id=run_id).values_list("dispatches", flat=True)) == {1}
    work(run_id)


def test_celery_waits_for_a_confirm_for_some_seconds_and_not_for_ever(
    servers: RemoteServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_broker, "_CONFIRM_S", 0.5)
    nothing = canvas.wake([(str(uuid4()), 0, 0)], lane="default")
    link = current_app.connection_for_write()
    producer = current_app.amqp.Producer(link)
    nothing.apply_async(producer=producer, retry=False)
    servers.rabbitmq.pause()
    try:
        with pytest.raises((OSError, OperationalError), match="timed out"):
            nothing.apply_async(producer=producer, retry=False)
    finally:
        servers.rabbitmq.resume()
        link.collect(socket_timeout=0.1)


def test_wake_up_that_could_not_be_sent_does_not_lengthen_the_pause_before_the_next() -> None:
    run_id = start(publish({"only": call("noop")}))
    refs = claimable(run_id)

    for _ in range(5):  # the broker is away
        take_due()
        store.undo_take(refs=refs, delay_s=0.0)
    take_due()

    waiting = Activation.objects.get(run_id=run_id)
    assert waiting.dispatches == 1
    assert waiting.due_at - timezone.now() <= timedelta(seconds=15)
    work(run_id)
