"""What has no room now, in an I/O worker: steps with limits take turns, connections with a rate hold calls back."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer

from integrations import operations as integrations
from integrations.connections import ConnectionSpec
from tests.flows import driving
from tests.support.waiting import wait_until
from workflows import inspection, limit_store, operations
from workflows.core.states import WaitReason
from workflows.execution.leases import LeaseKeeper
from workflows.execution.reactor import Reactor
from workflows.models import Activation, Attempt, Run, Slot

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """This will be a running reactor with a keeper of its own."""
    running = Reactor(limit=40, function_threads=2, keeper=LeaseKeeper())
    running.start()
    yield running
    running.stop(grace_s=10)


def test_steps_with_a_limit_take_turns_and_leave_no_slot_held(reactor: Reactor) -> None:
    limit = f"limit-{uuid4().hex[:12]}"
    operations.set_limit(name=limit, capacity=2, actor=driving.TESTER, now=timezone.now())
    step = driving.call("effect_async", args={"ledger": "/dev/null", "seconds": 0.2}, queue="io", limits=[limit])
    run_ids = [driving.begin({"only": step}) for _ in range(6)]

    reactor.execute(driving.claimable(*run_ids))
    wait_until(lambda: held(limit) == 2, what="both slots are taken")
    waiting = Activation.objects.filter(run_id__in=run_ids, wait_reason=WaitReason.LIMIT)
    wait_until(lambda: waiting.count() == 4 or held(limit) < 2, what="the others wait in line")
    most = 0

    def has_ended() -> bool:
        nonlocal most
        most = max(most, held(limit))
        reactor.execute(driving.claimable(*run_ids))
        return not Run.objects.filter(id__in=run_ids, state="running").exists()

    wait_until(has_ended, what="the runs have ended")

    assert most <= 2
    assert {run.state for run in Run.objects.filter(id__in=run_ids)} == {"succeeded"}
    assert not Attempt.objects.filter(run_id__in=run_ids).exists()
    assert held(limit) == 0
    assert limit_store.slots_leaked() == []


def test_call_beyond_the_rate_of_its_connection_waits_and_spends_no_attempt(
    reactor: Reactor, httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/").respond_with_json({})
    name = f"peer-{uuid4().hex[:12]}"
    spec = ConnectionSpec(
        name=name, base_url=httpserver.url_for(""), allow_private=True, rate_limit=1, rate_period_s=15.0
    )
    integrations.save_connection(spec=spec, actor=driving.TESTER, now=timezone.now(), correlation_id="")
    step = {"uses": "http.request", "connection": name, "with": {"path": "/"}, "queue": "io"}
    first, second = (driving.begin({"ask": step}) for _ in range(2))

    wait_until(lambda: has_ended(reactor, first), what="the first call")  # a new Redis counts as drained
    reactor.execute(driving.claimable(second))

    wait_until(lambda: reasons(second) == [(WaitReason.RATE, name)], what="the second call waits")
    assert len(httpserver.log) == 1
    assert not Attempt.objects.filter(run_id=second).exists()


def has_ended(reactor: Reactor, run_id: UUID) -> bool:
    """This will wake the reactor for a run, and tell whether it is over."""
    reactor.execute(driving.claimable(run_id))
    return not Run.objects.filter(id=run_id, state="running").exists()


def held(limit: str) -> int:
    """This will count the slots in somebody's hands."""
    return Slot.objects.filter(limit__name=limit, holder__isnull=False).count()


def reasons(run_id: UUID) -> list[tuple[WaitReason, str]]:
    """This will say what a run waits for."""
    return [(wait.reason, wait.object_name) for wait in inspection.waits_of(Run.objects.get(id=run_id))]
