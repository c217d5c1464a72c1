"""Slots that are handed on: the next in line is called, leased and given the slot in one statement."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from tests.flows import driving
from tests.flows.driving import begin, call, claimable, publish, start
from tests.flows.limits import claimed, held, limit_of, line
from workflows import limit_store
from workflows.execution import shift
from workflows.models import Activation

pytestmark = pytest.mark.usefixtures("database")


def test_two_workers_that_hand_on_at_the_same_time_take_the_next_two_with_a_slot_each() -> None:
    name = limit_of(2)
    workflow = publish({"only": call("noop", limits=[name])})
    holders = [claimed(start(workflow)) for _ in range(2)]
    first, second = start(workflow), start(workflow)
    driving.work(first, second)
    Activation.objects.filter(id__in=holders).delete()
    answers: list[limit_store.Succession | None] = []

    def hand_on(owner: str) -> limit_store.Succession | None:
        return limit_store.hand_on(limits=[name], lane="default", owner=owner, lease_s=60)

    def hand_on_too() -> None:
        answers.append(hand_on("elsewhere:2"))
        connection.close()

    with transaction.atomic():
        answers.append(hand_on("elsewhere:1"))
        thread = threading.Thread(target=hand_on_too)
        thread.start()
        thread.join(timeout=120)

    assert [one.claim.run_id for one in answers if one is not None] == [first, second]
    assert held(name) == 2
    assert limit_store.slots_leaked() == []
    assert hand_on("elsewhere:3") is None


def test_first_in_line_on_another_lane_is_made_due_and_not_leased() -> None:
    name = limit_of(1)
    blocker = begin({"only": call("noop", limits=[name])})
    claim_id = claimed(blocker)
    waiting = begin({"only": call("noop", limits=[name], queue="bulk")})
    driving.work(waiting)
    Activation.objects.filter(id=claim_id).delete()

    taken = limit_store.hand_on(limits=[name], lane="default", owner="elsewhere:1", lease_s=60)

    assert taken is None
    assert held(name) == 0
    assert [ref.run_id for ref in claimable(waiting)] == [waiting]


def test_first_in_line_for_one_of_its_limits_goes_back_in_line_for_the_other() -> None:
    one, other = sorted([limit_of(1), limit_of(1)])
    ending = begin({"only": call("noop", limits=[one])})
    claim_id = claimed(ending)
    both = begin({"only": call("noop", limits=[one, other])})
    driving.work(both)
    assert line(one) == [both]
    claimed(begin({"only": call("noop", limits=[other])}))
    Activation.objects.filter(id=claim_id).update(due_at=Now() - timedelta(days=1))

    shift.execute(claimable(ending))

    assert (line(one), line(other)) == ([], [both])
    assert (held(one), held(other)) == (0, 1)
