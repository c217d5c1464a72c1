"""Leases: who may work on what, what a lost worker costs, and that a late or doubled result changes nothing."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from tests.flows.driving import (
    AT_ONCE,
    aside,
    begin,
    call,
    claimable,
    lose,
    states,
    trail,
    trail_of,
    work,
)
from tests.flows.ledger import Ledger
from tests.support.waiting import wait_until
from workflows import plans, store
from workflows.execution import attempts, frontier, items, shift
from workflows.execution.cursor import open_cursor
from workflows.execution.leases import LeaseKeeper
from workflows.models import Activation, Attempt, DeadLetter, Run, Step
from workflows.store import ActivationRef

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This will have leases run out after a few seconds, renewed by a keeper of its own."""
    keeper = LeaseKeeper()
    monkeypatch.setattr(shift, "keeper", keeper)
    monkeypatch.setattr(attempts, "keeper", keeper)
    with override_settings(LEASE_S=9.0):
        yield


def test_activation_is_claimed_by_one_of_two_workers() -> None:
    run_id = begin({"only": call("noop")})
    refs = claimable(run_id)

    first = store.claim(refs=refs, owner="first", lease_s=60)
    second = store.claim(refs=refs, owner="second", lease_s=60)

    assert (len(first), len(second)) == (1, 0)
    assert Activation.objects.get(run_id=run_id).owner == "first"


def test_message_that_comes_twice_does_nothing_the_second_time(ledger: Ledger) -> None:
    run_id = begin({"act": call("effect", args={"ledger": str(ledger.path)})})
    refs = claimable(run_id)

    done = [shift.execute(refs), shift.execute(refs)]

    assert done == [1, 0]
    assert len(ledger.entries("effect")) == 1
    assert trail(run_id) == ["run.started", "step.succeeded", "run.succeeded"]


def test_message_about_nothing_that_exists_does_nothing() -> None:
    assert shift.execute([ActivationRef(UUID(int=7), 0, 0)]) == 0


def test_lost_attempt_is_recorded_and_followed_by_the_next(ledger: Ledger) -> None:
    run_id = begin({"act": call("effect", args={"ledger": str(ledger.path)}, retry=AT_ONCE)})
    store.claim(refs=claimable(run_id), owner="dead", lease_s=60)
    assert claimable(run_id) == []
    lose(run_id)

    work(run_id)

    attempt = Attempt.objects.get(run_id=run_id)
    assert (attempt.attempt, attempt.kind, attempt.delay_s) == (1, "lost", 0.0)
    assert Step.objects.get(run_id=run_id).attempts == 2
    assert [entry.attempt for entry in ledger.entries("effect")] == [2]
    assert trail(run_id) == ["run.started", "step.lost", "step.succeeded", "run.succeeded"]


def test_step_that_loses_its_last_worker_becomes_a_dead_letter_with_its_payload() -> None:
    run_id = begin({"act": call("echo", args={"value": "${{ input }}"}, retry={"attempts": 1})}, value=7)
    store.claim(refs=claimable(run_id), owner="dead", lease_s=60)
    lose(run_id)

    work(run_id)

    letter = DeadLetter.objects.get(run_id=run_id)
    assert (letter.kind, letter.attempts) == ("lost", 1)
    assert letter.payload == {"call": "flows.echo", "args": {"value": 7}}
    assert Run.objects.get(id=run_id).state == "failed"


@pytest.mark.parametrize("result", ["success", "failure", "sequence", "fork"])
def test_late_result_of_a_lost_worker_is_discarded_and_audited(result: str, tmp_path: Path, ledger: Ledger) -> None:
    """The first worker hangs, the second begins the work anew, then the first comes back."""
    gate = str(tmp_path / "gate-{attempt}")
    act = call("effect", args={"ledger": str(ledger.path), "gate": gate, "fails_late": result == "failure"})
    names = {"sequence": ["a"], "fork": ["a", "b"]}.get(result, [])
    behind = {name: call("noop", needs="act") for name in names}
    run_id = begin({"act": {**act, "retry": AT_ONCE}, **behind})
    refs = claimable(run_id)
    first = aside(lambda: shift.execute(refs))
    wait_until(lambda: ledger.entries("begin"), what="the first worker has begun")
    lose(run_id)
    second = aside(lambda: shift.execute(refs))
    wait_until(lambda: len(ledger.entries("begin")) == 2, what="the second worker has begun")
    epoch = Activation.objects.get(run_id=run_id).epoch

    (tmp_path / "gate-1").touch()
    first.join(timeout=120)
    (tmp_path / "gate-2").touch()
    second.join(timeout=120)
    work(run_id)

    assert epoch == 2
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert Step.objects.get(run_id=run_id, step="act").attempts == 2
    assert trail(run_id).count("step.discarded") == 1
    assert trail_of(run_id, "step.discarded")[0]["attempt"] == 1
    assert {entry.key for entry in ledger.entries("effect")} == {ledger.entries("begin")[0].key}
    assert len([event for event in trail_of(run_id, "step.succeeded") if event["step"] == "act"]) == 1


@pytest.mark.usefixtures("short_leases")
@pytest.mark.parametrize("place", ["first", "behind items", "behind a join"])
def test_lease_is_kept_while_a_step_takes_longer_than_it(place: str, tmp_path: Path, ledger: Ledger) -> None:
    """It is made longer before it has run out, as often as the step needs; meanwhile nobody else can begin it."""
    gate = tmp_path / "gate"
    slow = call("effect", args={"ledger": str(ledger.path), "gate": str(gate)})
    before: dict[str, dict[str, object]] = {
        "first": {},
        "behind items": {"map": call("noop", for_each=[1, 2])},
        "behind a join": {"a": call("noop"), "b": call("noop")},
    }[place]
    run_id = begin({**before, "slow": {**slow, "needs": list(before)} if before else slow})
    worker = aside(lambda: work(run_id))
    wait_until(lambda: ledger.entries("begin"), what="the slow step has begun")
    until = Activation.objects.get(run_id=run_id).due_at

    wait_until(lambda: Activation.objects.get(run_id=run_id).due_at > until, what="its lease is longer")
    work(run_id)  # what a second worker finds to do: nothing
    gate.touch()
    worker.join(timeout=120)

    assert len(ledger.entries("begin")) == 1
    assert Run.objects.get(id=run_id).state == "succeeded"


@pytest.mark.usefixtures("short_leases")
def test_retry_of_one_run_is_not_held_up_by_a_long_step_of_another_in_the_same_shift(
    tmp_path: Path, ledger: Ledger
) -> None:
    gate = tmp_path / "gate"
    failing = begin({"ask": call("fail_until", args={"attempt": 2}, retry={"first": "100ms", "jitter": "none"})})
    slow = begin({"slow": call("effect", args={"ledger": str(ledger.path), "gate": str(gate)})})
    worker = aside(lambda: shift.execute([*claimable(failing), *claimable(slow)]))
    wait_until(lambda: Attempt.objects.filter(run_id=failing).exists(), what="the first attempt has failed")

    wait_until(lambda: claimable(failing), what="the retry is due")
    work(failing)

    assert Run.objects.get(id=failing).state == "succeeded"
    assert worker.is_alive()
    gate.touch()
    worker.join(timeout=120)
    assert Run.objects.get(id=slow).state == "succeeded"


def test_lease_that_was_given_back_is_not_renewed() -> None:
    run_id = begin({"only": call("noop")})
    (claim,) = store.claim(refs=claimable(run_id), owner="me", lease_s=60)
    hold: store.HoldRow = {"id": claim.id, "epoch": claim.epoch}
    store.release(holds=[hold])

    assert store.renew(holds=[hold], lease_s=60) == frozenset()
    assert Activation.objects.get(run_id=run_id).state == "ready"


def test_lease_is_renewed_even_after_its_loss_was_noticed_unless_somebody_else_has_it() -> None:
    run_id = begin({"only": call("noop")})
    (claim,) = store.claim(refs=claimable(run_id), owner="me", lease_s=60)
    hold: store.HoldRow = {"id": claim.id, "epoch": claim.epoch}
    lose(run_id)
    Activation.objects.filter(run_id=run_id).update(state="ready")

    assert store.renew(holds=[hold], lease_s=60) == {claim.id}
    assert claimable(run_id) == []
    lose(run_id)
    store.claim(refs=claimable(run_id), owner="other", lease_s=60)
    assert store.renew(holds=[hold], lease_s=60) == frozenset()


def test_activation_given_back_costs_no_attempt() -> None:
    run_id = begin({"only": call("told")}, output="${{ steps.only.output.attempt }}")
    (claim,) = store.claim(refs=claimable(run_id), owner="me", lease_s=60)
    store.release(holds=[{"id": claim.id, "epoch": claim.epoch}])

    work(run_id)

    assert Run.objects.get(id=run_id).output == 1
    assert states(run_id) == {"only": "succeeded"}


class FrozenKeeper(LeaseKeeper):
    """Renews nothing, as in a process that is stopped."""

    def _keep(self) -> None:
        """This will end at once."""


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This will have leases run out after one second, because nobody renews them."""
    keeper = FrozenKeeper()
    for module in (shift, attempts, items):
        monkeypatch.setattr(module, "keeper", keeper)
    with override_settings(LEASE_S=1.0):
        yield


@pytest.mark.usefixtures("frozen")
@pytest.mark.parametrize("moment", ["claim", "take_items"])
def test_nothing_is_begun_by_a_worker_that_was_frozen_until_another_had_done_it(
    moment: str, monkeypatch: pytest.MonkeyPatch, ledger: Ledger
) -> None:
    """It is stopped while the database answers, with work in its hands that it has not begun."""
    more = {"for_each": [1, 2, 3, 4]} if moment == "take_items" else {}
    run_id = begin({"act": call("effect", args={"ledger": str(ledger.path)}, retry=AT_ONCE, **more)})
    ask = getattr(store, moment)
    sleeps = [True]

    def answer_late(**question: Any) -> Any:  # Any: passed on as it is
        answer = ask(**question)
        if sleeps:
            sleeps.clear()
            wait_until(lambda: claimable(run_id), what="the lease has run out")
            aside(lambda: work(run_id)).join(timeout=120)
        return answer

    monkeypatch.setattr(store, moment, answer_late)
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert set(Counter(entry.key for entry in ledger.entries("begin")).values()) == {1}


def test_step_cannot_be_claimed_while_its_end_is_being_committed() -> None:
    """Its lease has run out, and the worker that had it is in the middle of the transaction that ends it."""
    run_id = begin({"a": call("noop"), "b": call("noop"), "join": call("noop", needs=["a", "b"])})
    refs = claimable(run_id)
    claims = store.claim(refs=refs, owner="slow", lease_s=60)
    lose(run_id)
    cursor = open_cursor(claims[0], program=plans.program_of(claims[0].version_id), now=timezone.now(), owner="slow")
    taken: list[int] = []

    def take_each() -> None:
        taken.extend(claim.id for ref in refs for claim in store.claim(refs=[ref], owner="other", lease_s=60))

    with transaction.atomic():
        assert frontier.lock(cursor)
        aside(take_each).join(timeout=120)

    assert taken == [claims[1].id], "the other branch alone"
