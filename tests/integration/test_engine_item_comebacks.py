"""Items that come back because another one of their `for_each` does: nothing is left of what they waited for before."""

import pytest
from django.utils import timezone

from tests.flows.driving import TESTER, begin, work
from workflows import operations
from workflows.models import DeadLetter, Item

pytestmark = pytest.mark.usefixtures("database")
REST = {
    "uses": "wait",
    "with": {"for": "${{ item }}"},
    "for_each": ["1d", "never"],
    "parallel": 2,
    "on_failure": "fail_fast",
    "retry": {"attempts": 1},
}


def test_item_that_was_stopped_while_it_waited_waits_anew_when_it_comes_back() -> None:
    run_id = begin({"rest": REST})
    work(run_id)
    stopped = Item.objects.get(run_id=run_id, index=0)
    assert (stopped.state, stopped.wait_reason, stopped.parked_at is None) == ("cancelled", "timer", False)
    letter = DeadLetter.objects.get(run_id=run_id, state="open")

    operations.requeue_dead_letter(
        dead_letter_id=letter.id, actor=TESTER, now=timezone.now(), payload={"for": "2d"}, delay_s=60
    )

    back = Item.objects.get(run_id=run_id, index=0)
    assert (back.state, back.started_at) == ("waiting", None)
    assert (back.wait_reason, back.wait_object, back.parked_at, back.parked_s, back.is_woken) == (
        "",
        "",
        None,
        0,
        False,
    )
