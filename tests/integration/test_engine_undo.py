"""What a run that fails has done is undone, in reverse, each step once; what is not undone is never silent."""

from pathlib import Path

import pytest
from django.utils import timezone

from tests.flows.driving import (
    AT_ONCE,
    TESTER,
    begin,
    call,
    claimable,
    finish,
    publish,
    start,
    states,
    trail,
    trail_of,
    work,
)
from tests.flows.ledger import Ledger
from workflows import operations
from workflows.core.identity import idempotency_key
from workflows.errors import NothingToUndo, RunNotEnded, RunUndone
from workflows.models import Activation, DeadLetter, Incident, Item, Run

pytestmark = pytest.mark.usefixtures("database")
_WAIT = call("fail_until", needs="act", args={"attempt": 9}, retry={"first": "60s"})
_REFUSED = call("fail_on", args={"value": 1, "bad": 1})


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


def undo(ledger: Ledger, value: object = None, **more: object) -> dict[str, object]:
    """This will be an undo that has one effect in the ledger."""
    return call("mark", args={"value": value, "ledger": str(ledger.path)}, **more)


def test_failed_run_undoes_what_was_done_in_reverse_order(ledger: Ledger) -> None:
    act = {"ledger": str(ledger.path)}
    steps = {
        "charge": call("effect", args=act, undo=undo(ledger, "${{ steps.charge.output }}")),
        "book": call("effect", needs="charge", args=act, undo=undo(ledger)),
        "look": call("noop", needs="book"),
        "ship": {**_REFUSED, "needs": "look", "undo": undo(ledger)},
        "mail": call("noop", needs="ship", undo=undo(ledger)),
    }

    run = finish(steps)

    assert run.error is not None
    assert (run.state, run.error["step"], run.ending) == ("failed", "ship", "failed")
    assert [entry.step for entry in ledger.entries("effect")] == ["charge", "book", "book:undo", "charge:undo"]
    assert states(run.id) == {
        "charge": "succeeded",
        "book": "succeeded",
        "look": "succeeded",
        "ship": "failed",
        "mail": "upstream_failed",
        "charge:undo": "succeeded",
        "book:undo": "succeeded",
    }
    assert run.steps.get(step="charge:undo").output == idempotency_key(run=run.id, step="charge", index=None)
    keys = {entry.step: entry.key for entry in ledger.entries("effect")}
    assert keys["charge:undo"] == idempotency_key(run=run.id, step="charge", index=None, is_undo=True)
    assert trail_of(run.id, "run.ending")[0]["undo"] == ["book", "charge"]
    assert trail(run.id)[-4:] == ["run.ending", "step.succeeded", "step.succeeded", "run.failed"]
    assert not Activation.objects.filter(run_id=run.id).exists()


def test_run_that_succeeds_undoes_nothing(ledger: Ledger) -> None:
    run = finish({"only": call("noop", undo=undo(ledger))})

    assert run.state == "succeeded"
    assert states(run.id) == {"only": "succeeded"}
    assert "run.ending" not in trail(run.id)


def test_items_that_were_done_are_undone_in_reverse_and_only_they(ledger: Ledger) -> None:
    steps = {
        "lines": call(
            "fail_on",
            for_each=["a", "b", "c", "d"],
            parallel=2,
            args={"value": "${{ item }}", "bad": "c"},
            undo=undo(ledger, {"was": "${{ item }}", "at": "${{ index }}", "gave": "${{ steps.lines.output }}"}),
        )
    }

    run = finish(steps)

    assert run.state == "failed"
    undone = Item.objects.filter(run_id=run.id, step="lines:undo").order_by("index")
    assert [item.output for item in undone] == [
        {"was": value, "at": at, "gave": value} for value, at in (("d", 3), ("b", 1), ("a", 0))
    ]
    assert [entry.key for entry in ledger.entries("effect")] == [
        idempotency_key(run=run.id, step="lines", index=at, is_undo=True) for at in (3, 1, 0)
    ]


def test_undo_is_tried_again_by_its_own_rule(ledger: Ledger) -> None:
    flaky = call("fail_until", args={"attempt": 3, "ledger": str(ledger.path)}, retry=AT_ONCE)
    run = finish({"act": call("noop", undo=flaky), "fail": {**_REFUSED, "needs": "act"}})

    assert run.state == "failed"
    assert states(run.id)["act:undo"] == "succeeded"
    assert [entry.attempt for entry in ledger.entries("begin")] == [1, 2, 3]
    assert len({entry.key for entry in ledger.entries("begin")}) == 1


def test_what_may_have_happened_is_undone_where_the_step_says_so(ledger: Ledger) -> None:
    late = {"ledger": str(ledger.path), "fails_late": True}
    once = {"attempts": 1}
    steps = {
        "meant": call("effect", args=late, retry=once, undo=undo(ledger), undo_when="attempted"),
        "other": call("effect", args=late, retry=once, undo=undo(ledger)),
        "refused": {**_REFUSED, "undo": undo(ledger), "undo_when": "attempted"},
    }

    run = finish(steps)

    assert {step for step in states(run.id) if step.endswith(":undo")} == {"meant:undo"}, "refused is not attempted"
    assert [entry.step for entry in ledger.entries("effect")].count("meant:undo") == 1


def test_failed_undo_stops_the_chain_is_told_and_goes_on_when_it_is_requeued(ledger: Ledger, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    steps = {
        "first": call("noop", undo=undo(ledger)),
        "second": call("noop", needs="first", undo=call("fail_unless", args={"path": str(mended)}, retry=AT_ONCE)),
        "third": call("noop", needs="second", undo=undo(ledger)),
        "fail": {**_REFUSED, "needs": "third"},
    }
    run = finish(steps)

    assert run.error is not None
    assert (run.state, run.error["step"], run.error["not_undone"]) == ("failed", "fail", ["second", "first"])
    assert run.error["message"].endswith("; not undone: second, first")
    assert [entry.step for entry in ledger.entries("effect")] == ["third:undo"]
    main, letter = DeadLetter.objects.filter(run_id=run.id).order_by("id")
    assert (main.step, letter.step) == ("fail", "second:undo")
    assert Incident.objects.filter(fingerprint=letter.fingerprint, state="open").exists()
    with pytest.raises(RunUndone):
        operations.requeue_dead_letter(dead_letter_id=main.id, actor=TESTER, now=timezone.now())

    mended.touch()
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    work(run.id)

    run.refresh_from_db()
    assert [entry.step for entry in ledger.entries("effect")] == ["third:undo", "first:undo"]
    assert run.error is not None
    assert (run.state, run.error["step"]) == ("failed", "fail")
    assert "not_undone" not in run.error
    assert max(ledger.effects_by_key().values()) == 1


def test_undo_of_a_run_that_is_set_to_on_demand_waits_for_somebody(ledger: Ledger) -> None:
    run = finish({"act": call("noop", undo=undo(ledger)), "fail": {**_REFUSED, "needs": "act"}}, undo="on_demand")

    assert run.state == "failed"
    assert "act:undo" not in states(run.id)


def test_cancelled_run_is_undone_before_it_ends(ledger: Ledger) -> None:
    run_id = begin(
        {
            "act": call("noop", undo=undo(ledger)),
            "wait": call("fail_until", needs="act", args={"attempt": 9}, retry={"first": "60s"}),
        }
    )
    work(run_id)

    run = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="no")
    assert (run.state, run.ending) == ("running", "cancelled")
    again = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="again")
    work(run_id)

    run.refresh_from_db()
    assert again.ending == "cancelled"
    assert run.error is not None
    assert (run.state, run.error["message"]) == ("cancelled", "no")
    assert [entry.step for entry in ledger.entries("effect")] == ["act:undo"]
    assert trail(run_id).count("run.ending") == trail(run_id).count("run.cancelled") == 1


def test_ended_run_is_undone_on_demand_once(ledger: Ledger) -> None:
    run = finish(
        {"act": call("echo", args={"value": 5}, undo=undo(ledger, "${{ steps.act.output }}"))},
        **{"finally": {"tidy": call("mark", args={"value": 1, "ledger": str(ledger.path)})}, "output": "kept"},
    )
    assert run.state == "succeeded"

    asked = operations.undo_run(run_id=run.id, actor=TESTER, now=timezone.now(), reason="the customer went back")
    assert (asked.state, asked.ending, asked.ended_at) == ("running", "cancelled", None)
    operations.undo_run(run_id=run.id, actor=TESTER, now=timezone.now(), reason="again")
    work(run.id)
    undone = operations.undo_run(run_id=run.id, actor=TESTER, now=timezone.now(), reason="once more")

    assert (undone.state, undone.output) == ("cancelled", "kept")
    assert undone.error == {"kind": "undone", "message": "the customer went back", "step": None}
    assert [entry.step for entry in ledger.entries("effect")] == ["tidy", "act:undo"]
    assert trail(run.id).count("run.ending") == 2
    assert trail(run.id)[-1] == "run.cancelled"


def test_failed_run_set_to_on_demand_is_undone_when_asked_and_stays_failed(ledger: Ledger) -> None:
    run = finish({"act": call("noop", undo=undo(ledger)), "fail": {**_REFUSED, "needs": "act"}}, undo="on_demand")

    operations.undo_run(run_id=run.id, actor=TESTER, now=timezone.now(), reason="give it up")
    work(run.id)

    run.refresh_from_db()
    assert run.error is not None
    assert (run.state, run.error["step"]) == ("failed", "fail")
    assert states(run.id)["act:undo"] == "succeeded"


def test_what_cannot_be_undone_says_why(ledger: Ledger) -> None:
    plain = finish({"only": call("noop")})
    open_run = begin({"only": call("noop", undo=undo(ledger))})
    broken = finish({"act": call("noop", undo=_REFUSED), "fail": {**_REFUSED, "needs": "act"}})

    for run_id, refusal, why in (
        (plain.id, NothingToUndo, "has an undo"),
        (open_run, RunNotEnded, "is at work"),
        (broken.id, NothingToUndo, "requeue the dead letter"),
    ):
        with pytest.raises(refusal, match=why):
            operations.undo_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="why not")


def test_run_that_makes_way_keeps_its_slot_until_it_is_undone(ledger: Ledger) -> None:
    """A limit counts what a run does at its end as well."""
    wait = call("fail_until", needs="act", args={"attempt": 9}, retry={"first": "60s"})
    workflow = publish(
        {"act": call("noop", undo=undo(ledger)), "wait": wait}, concurrency={"limit": 1, "overflow": "cancel_oldest"}
    )
    first = start(workflow)
    work(first)

    second = start(workflow)
    assert Run.objects.get(id=first).ending == "cancelled"
    assert claimable(second) == []
    work(first)

    assert Run.objects.get(id=first).state == "cancelled"
    assert [entry.step for entry in ledger.entries("effect")] == ["act:undo"]
    assert len(claimable(second)) == 1


def test_undo_that_force_has_stopped_is_gone_on_with_on_demand(ledger: Ledger) -> None:
    slow = call("fail_until", args={"attempt": 2, "ledger": str(ledger.path)}, retry={"first": "60s"})
    run_id = begin(
        {"first": call("noop", undo=undo(ledger)), "act": call("noop", needs="first", undo=slow), "wait": _WAIT}
    )
    work(run_id)
    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())
    work(run_id)
    forced = operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now(), is_forced=True)
    assert forced.error is not None
    assert (forced.state, forced.error["not_undone"]) == ("cancelled", ["act", "first"])

    operations.undo_run(run_id=run_id, actor=TESTER, now=timezone.now(), reason="after all")
    work(run_id, is_patient=False)

    run = Run.objects.get(id=run_id)
    assert run.error is not None
    assert (run.state, "not_undone" in run.error) == ("cancelled", False)
    assert [entry.step for entry in ledger.entries("effect")] == ["first:undo"]
