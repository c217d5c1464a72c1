"""The event loop of an I/O worker, in this process and without a broker: what it carries, and how it all ends."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.test import override_settings
from django.utils import timezone

from integrations import operations as integrations
from integrations.errors import Postponed
from tests.flows.driving import (
    AT_ONCE,
    TESTER,
    begin,
    call,
    claimable,
    let_time_pass,
    lose,
    publish,
    start,
    states,
    trail,
    wait_for_end,
)
from tests.flows.ledger import Ledger
from tests.support.waiting import wait_until
from workflows import operations, store
from workflows.core.definition import JsonValue
from workflows.execution import admitting
from workflows.execution.cursor import Cursor
from workflows.execution.leases import LeaseKeeper
from workflows.execution.places import PlacesClosed
from workflows.execution.reactor import Reactor
from workflows.models import Activation, Attempt, DeadLetter, InputOverride, Item, Run, Step
from workflows.store import Claim, HoldRow

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    """This will be a running reactor with a keeper of its own."""
    running = Reactor(limit=40, function_threads=2, keeper=LeaseKeeper())
    running.start()
    yield running
    running.stop(grace_s=10)


def carry(reactor: Reactor, *run_ids: UUID) -> Sequence[Run]:
    """This will wake a reactor for runs, as messages would, until they have ended."""

    def has_ended() -> bool:
        let_time_pass(*run_ids)
        refs = claimable(*run_ids)
        if refs:
            reactor.execute(refs)
        return not Run.objects.filter(id__in=run_ids, state="running").exists()

    wait_until(has_ended, what="the runs have ended")
    return wait_for_end(*run_ids)


def test_steps_follow_each_other_over_forks_joins_and_items(reactor: Reactor) -> None:
    step = {"queue": "io"}
    run_id = begin(
        {
            "first": {"uses": "set", "with": {"lines": [1, 2, 3, 4, 5]}, **step},
            "second": call("echo_async", needs="first", args={"value": "${{ steps.first.output.lines }}"}, **step),
            "left": call("echo_async", needs="second", args={"value": 1}, **step),
            "right": call("echo", needs="second", args={"value": 2}, **step),
            "map": call(
                "echo_async",
                needs=["left", "right"],
                for_each="${{ steps.second.output }}",
                parallel=3,
                args={"value": "${{ item }}"},
                **step,
            ),
            "skipped": {"uses": "set", "if": "${{ 1 > 2 }}", "needs": "map", **step},
        },
        output="${{ steps.left.output + steps.right.output }}",
    )

    (run,) = carry(reactor, run_id)

    assert (run.state, run.output) == ("succeeded", 3)
    assert states(run_id)["skipped"] == "skipped"
    assert list(Item.objects.filter(run_id=run_id).order_by("index").values_list("output", flat=True)) == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert not Attempt.objects.filter(run_id=run_id).exists()


def test_failures_are_tried_again_and_buried_as_everywhere(reactor: Reactor) -> None:
    again = begin({"ask": call("fail_until", args={"attempt": 3}, retry=AT_ONCE, queue="io")})
    never = begin({"ask": call("fail_until", args={"attempt": 9}, retry=AT_ONCE, queue="io")})
    unknown = begin({"ask": call("raise_malformed", retry={"attempts": 1}, queue="io")})

    runs = carry(reactor, again, never, unknown)

    assert [run.state for run in runs] == ["succeeded", "failed", "failed"]
    assert trail(again).count("step.retrying") == 2
    assert DeadLetter.objects.get(run_id=never).attempts == 3
    assert DeadLetter.objects.get(run_id=unknown).kind == "error"


def test_each_step_logs_and_traces_as_its_own_run(reactor: Reactor) -> None:
    workflow = publish({"ask": call("bound_run_id", queue="io")}, output="${{ steps.ask.output }}")
    run_ids = [start(workflow) for _ in range(30)]

    runs = carry(reactor, *run_ids)

    assert [run.output for run in runs] == [str(run_id) for run_id in run_ids]


@pytest.mark.parametrize(("attempts", "state"), [(3, "succeeded"), (1, "failed")])
def test_lost_attempt_counts_before_the_next_is_made(reactor: Reactor, attempts: int, state: str) -> None:
    run_id = begin({"ask": call("echo_async", retry={**AT_ONCE, "attempts": attempts}, queue="io")})
    store.claim(refs=claimable(run_id), owner="dead", lease_s=60)
    lose(run_id)

    (run,) = carry(reactor, run_id)

    assert run.state == state
    assert Attempt.objects.get(run_id=run_id).kind == "lost"


def test_attempt_of_a_lost_lease_is_cut_off_and_the_next_owner_decides(reactor: Reactor) -> None:
    with override_settings(LEASE_S=1.0):
        run_id = begin({"ask": call("wait_first", queue="io")})
        reactor.execute(claimable(run_id))
        lose(run_id)
        store.claim(refs=claimable(run_id), owner="other", lease_s=60)
        wait_until(lambda: "step.discarded" in trail(run_id), what="the attempt is cut off")

    assert Activation.objects.get(run_id=run_id).owner == "other"
    assert Run.objects.get(id=run_id).state == "running"


def test_call_without_room_is_put_aside_and_costs_no_attempt(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    busy: list[str] = []

    async def acall(*, inputs: Mapping[str, object], **_: object) -> object:
        url = str(inputs["url"])
        if url not in busy:
            busy.append(url)
            raise Postponed(reason="rate", object_name="payments", delay_s=3600.0)
        return url

    monkeypatch.setattr(integrations, "acall", acall)
    once = {"uses": "http.request", "queue": "io", "retry": {"attempts": 1}}
    step = begin({"ask": {**once, "with": {"url": "https://pay.test/"}}})
    items = begin({"ask": {**once, "with": {"url": "https://pay.test/${{ item }}"}, "for_each": [1, 2]}})
    reactor.execute(claimable(step, items))
    places = Activation.objects.filter(run_id__in=[step, items], state="waiting", wait_reason="rate")
    wait_until(lambda: places.count() == 2, what="both are put aside")
    waiting = list(places.values_list("wait_object", "owner", "attempt"))

    runs = carry(reactor, step, items)

    assert waiting == [("payments", "", 1)] * 2
    assert [run.state for run in runs] == ["succeeded"] * 2
    assert len(busy) == 3
    assert not Attempt.objects.filter(run_id__in=[step, items]).exists()


def test_requeued_work_is_performed_with_edited_inputs_and_proves_them(reactor: Reactor) -> None:
    once = {"queue": "io", "retry": {"attempts": 1}}
    step = begin({"act": call("fail_on", args={"value": 1, "bad": 1}, **once)})
    items = begin({"act": call("fail_on", args={"value": "${{ item }}", "bad": 1}, for_each=[0, 1], **once)})
    carry(reactor, step, items)
    letters = DeadLetter.objects.filter(run_id__in=[step, items])

    for letter in letters:
        edited: JsonValue = {"call": "flows.fail_on", "args": {"value": 2, "bad": 1}}
        operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now(), payload=edited)
    runs = carry(reactor, step, items)

    assert [run.state for run in runs] == ["succeeded"] * 2
    assert Step.objects.get(run_id=step, step="act").output == 2
    outputs = Item.objects.filter(run_id=items).order_by("index").values_list("output", flat=True)
    assert list(outputs) == [0, 2]
    assert set(letters.values_list("trial", flat=True)) == {"succeeded"}
    assert not InputOverride.objects.filter(run_id__in=[step, items]).exists()


@pytest.mark.parametrize("more", [{}, {"for_each": [1, 2]}])
def test_nothing_begins_under_a_lease_that_was_lost_unnoticed(
    more: Mapping[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "ledger")

    class Doubtful(LeaseKeeper):
        """A keeper whose process was stopped for longer than a lease."""

        def is_surely_held(self, claim: Claim) -> bool:
            return False

    def slow_admit(claim: Claim, **context: Any) -> Sequence[Cursor]:  # Any: passed on as they are
        cursors = admit(claim, **context)
        lose(claim.run_id)
        store.claim(refs=claimable(claim.run_id), owner="other", lease_s=60)
        return cursors

    admit = admitting.admit
    monkeypatch.setattr(admitting, "admit", slow_admit)
    reactor = Reactor(limit=4, function_threads=1, keeper=Doubtful())
    reactor.start()
    run_id = begin({"act": call("effect_async", args={"ledger": str(ledger.path)}, queue="io", **more)})

    assert reactor.execute(claimable(run_id)) == 1
    reactor.stop(grace_s=10)

    assert ledger.entries() == []
    assert Activation.objects.get(run_id=run_id).owner == "other"


def test_reactor_that_is_ending_claims_nothing_and_gives_back_what_is_cut_off(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    reactor = Reactor(limit=4, function_threads=1, keeper=LeaseKeeper())
    reactor.start()
    run_id = begin({"ask": call("effect_async", args={"ledger": str(ledger.path), "seconds": 600}, queue="io")})
    later = begin({"ask": call("echo_async", queue="io")})
    reactor.execute(claimable(run_id))
    wait_until(lambda: ledger.entries("begin"), what="the attempt is under way")

    reactor.stop(grace_s=0.1)

    with pytest.raises(PlacesClosed):
        reactor.execute(claimable(later))
    assert len(claimable(run_id)) == 1
    (claim,) = store.claim(refs=claimable(run_id), owner="next", lease_s=60)
    assert claim.was_lost
    assert len(claimable(later)) == 1


def test_keeper_forgets_what_was_dropped_and_keeps_what_was_leased_anew() -> None:
    keeper = LeaseKeeper()
    told: list[HoldRow] = []
    keeper.tell_losses(told.extend)
    with override_settings(LEASE_S=1.0):
        run_id = begin({"ask": call("noop")})
        (old,) = store.claim(refs=claimable(run_id), owner="me", lease_s=60)
        keeper.hold([old], since=time.monotonic())
        store.release(holds=[{"id": old.id, "epoch": old.epoch}])
        (new,) = store.claim(refs=claimable(run_id), owner="me", lease_s=0.5)
        keeper.hold([new], since=time.monotonic())
        keeper.drop([{"id": old.id, "epoch": old.epoch}])
        due_at = Activation.objects.get(run_id=run_id).due_at
        wait_until(lambda: Activation.objects.get(run_id=run_id).due_at > due_at, what="the new lease is renewed")

        lose(run_id)
        store.claim(refs=claimable(run_id), owner="other", lease_s=60)
        wait_until(lambda: told, what="the loss is told")

    assert told == [{"id": new.id, "epoch": new.epoch}]
