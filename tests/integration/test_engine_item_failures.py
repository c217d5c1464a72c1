"""What a failed item means to its `for_each`: fail fast, collect, a threshold; and what a requeue brings back."""

from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone

from tests.flows.driving import TESTER, aside, begin, call, claimable, finish, states, work
from tests.flows.ledger import Ledger
from tests.support.waiting import wait_until
from workflows import operations
from workflows.execution import shift
from workflows.models import Activation, Attempt, DeadLetter, Item, Run

pytestmark = pytest.mark.usefixtures("database")
ONCE = {"attempts": 1}


def picky(bad: object, **more: object) -> dict[str, object]:
    """This will be a step that refuses one of its items."""
    return call("fail_on", for_each="${{ input }}", args={"value": "${{ item }}", "bad": bad}, **more)


def item_states(run_id: UUID) -> list[str]:
    """This will give the state of each item, in order."""
    return list(Item.objects.filter(run_id=run_id).order_by("index").values_list("state", flat=True))


def test_fail_fast_begins_no_other_item() -> None:
    run = finish({"map": picky(2, on_failure="fail_fast")}, value=[1, 2, 3, 4])

    assert run.error is not None
    assert (run.state, run.error["message"]) == (
        "failed",
        "1 of its items failed, and 2 were stopped before they began",
    )
    assert item_states(run.id) == ["succeeded", "failed", "cancelled", "cancelled"]
    assert not Activation.objects.filter(run_id=run.id).exists()
    assert DeadLetter.objects.get(run_id=run.id).index == 1


def test_fail_fast_lets_end_what_is_in_hand(tmp_path: Path) -> None:
    ledger, gate = Ledger(tmp_path / "ledger"), tmp_path / "gate"
    path = str(ledger.path)
    items = [{"ledger": path, "gate": str(gate)}, {"ledger": 7}, {"ledger": path}]
    run_id = begin({"map": call("effect", for_each=items, parallel=2, on_failure="fail_fast", args="${{ item }}")})
    slow = aside(lambda: shift.execute(claimable(run_id)))
    wait_until(lambda: ledger.entries("begin"), what="the first item is in hand")

    work(run_id)
    gate.touch()
    slow.join()

    assert states(run_id) == {"map": "failed"}
    assert item_states(run_id) == ["succeeded", "failed", "cancelled"]
    assert len(ledger.entries("effect")) == 1


def test_collect_succeeds_and_marks_every_item() -> None:
    run = finish({"map": picky(2, on_failure="collect", parallel=2)}, value=[1, 2, 3], output="${{ steps.map.output }}")

    assert run.state == "succeeded"
    assert run.output == [
        {"ok": True, "output": 1},
        {"ok": False, "error": {"kind": "refused", "message": "2 is not wanted"}},
        {"ok": True, "output": 3},
    ]
    assert not DeadLetter.objects.filter(run_id=run.id).exists()
    assert Attempt.objects.get(run_id=run.id).index == 1


@pytest.mark.parametrize(
    ("threshold", "state"), [(1, "failed"), (2, "succeeded"), ("49%", "failed"), ("50%", "succeeded")]
)
def test_threshold_is_how_many_may_fail(threshold: object, state: str) -> None:
    run = finish({"map": picky(0, on_failure={"threshold": threshold})}, value=[0, 1, 0, 1])

    assert run.state == state
    assert item_states(run.id) == ["failed", "succeeded", "failed", "cancelled" if state == "failed" else "succeeded"]


def test_fail_fast_stops_items_that_wait_for_a_retry() -> None:
    run_id = begin(
        {
            "map": call(
                "fail_until",
                for_each=["3", "x", "3"],
                on_failure="fail_fast",
                args={"attempt": "${{ int(item) }}"},
                retry={"first": "1h", "jitter": "none"},
            )
        }
    )
    work(run_id)

    assert (Run.objects.get(id=run_id).state, item_states(run_id)) == ("failed", ["cancelled", "failed", "cancelled"])


def test_requeue_brings_back_what_was_stopped_and_repeats_nothing_that_succeeded(tmp_path: Path) -> None:
    ledger, door = Ledger(tmp_path / "ledger"), tmp_path / "door"
    args = {"path": f"${{{{ item == 1 ? '{door}' : '/' }}}}", "ledger": str(ledger.path)}
    run_id = begin(
        {
            "map": call("fail_unless", for_each=[0, 1, 2, 3], on_failure="fail_fast", retry=ONCE, args=args),
            "behind": call("noop", needs="map"),
        },
        output="${{ steps.map.output }}",
    )
    work(run_id)
    assert item_states(run_id) == ["succeeded", "failed", "cancelled", "cancelled"]

    door.touch()
    letter = DeadLetter.objects.get(run_id=run_id)
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    work(run_id)

    assert (Run.objects.get(id=run_id).state, item_states(run_id)) == ("succeeded", ["succeeded"] * 4)
    assert [len(ledger.entries("begin", run_id=run_id))] == [5]
    assert states(run_id) == {"map": "succeeded", "behind": "succeeded"}


def test_lists_of_lists_keep_their_order() -> None:
    run = finish(
        {
            "outer": call("echo", for_each="${{ input }}", parallel=2, args={"value": "${{ [item, [item, item]] }}"}),
            "again": call(
                "echo", needs="outer", for_each="${{ steps.outer.output }}", args={"value": "${{ item[1] }}"}
            ),
        },
        value=[1, 2, 3],
        output="${{ steps.again.output }}",
    )

    assert run.output == [[1, 1], [2, 2], [3, 3]]
