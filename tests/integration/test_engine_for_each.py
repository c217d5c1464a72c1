"""Steps for each item of a list: order, states and attempts of items, what fails alone and what is tried again."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.test import override_settings
from django.utils import timezone

from tests.flows.driving import (
    AT_ONCE,
    TESTER,
    aside,
    begin,
    call,
    claimable,
    finish,
    let_time_pass,
    lose,
    states,
    trail,
    trail_of,
    work,
)
from tests.flows.ledger import Ledger
from tests.support.waiting import wait_until
from workflows import operations, store
from workflows.core.identity import idempotency_key
from workflows.execution import shift
from workflows.models import Activation, Attempt, DeadLetter, Fanout, Item, Run

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """This will be an empty ledger."""
    return Ledger(tmp_path / "ledger")


def items(run_id: UUID) -> list[tuple[object, ...]]:
    """This will give state, output and attempt of each item, in order."""
    rows = Item.objects.filter(run_id=run_id).order_by("index")
    return list(rows.values_list("state", "output", "attempt"))


def indexes_done(run_id: UUID) -> list[int]:
    """This will give the indexes that the audit trail tells of as done."""
    done: list[int] = []
    for event in trail_of(run_id, "items.succeeded"):
        done.extend(event["indexes"])  # type: ignore[arg-type]  # a list, as JSON gives it
    return done


def test_items_give_their_outputs_in_the_order_of_the_list() -> None:
    run = finish(
        {
            "map": call("echo", for_each="${{ input }}", parallel=3, args={"value": "${{ [index, item * 2] }}"}),
            "sum": {"uses": "set", "needs": "map", "with": {"all": "${{ steps.map.output }}"}},
        },
        value=list(range(10)),
        output="${{ steps.sum.output.all }}",
    )

    assert run.output == [[index, index * 2] for index in range(10)]
    assert items(run.id) == [("succeeded", [index, index * 2], 1) for index in range(10)]
    assert (Fanout.objects.get(run_id=run.id).total, states(run.id)["map"]) == (10, "succeeded")
    assert sorted(indexes_done(run.id)) == list(range(10))


def test_item_has_an_idempotency_key_of_its_own() -> None:
    run = finish({"map": call("told", for_each=["a", "b"])})

    keys = Item.objects.filter(run_id=run.id).order_by("index").values_list("output__key", flat=True)
    assert list(keys) == [idempotency_key(run=run.id, step="map", index=index) for index in (0, 1)]


def test_for_each_opens_as_many_pullers_as_it_may_and_needs() -> None:
    wide = begin({"map": call("sleep", for_each=[0.3] * 9, parallel=4, args={"seconds": "${{ item }}"})})
    short = begin({"map": call("sleep", for_each=[0.3] * 2, parallel=4, args={"seconds": "${{ item }}"})})

    with override_settings(SHIFT_S=0.01):
        for run_id in (wide, short):
            shift.execute(claimable(run_id))

    assert Activation.objects.filter(run_id=wide).count() == 4
    assert Activation.objects.filter(run_id=short).count() == 2


@pytest.mark.parametrize("value", [[], None])
def test_empty_list_succeeds_at_once(value: object) -> None:
    expression = "${{ input }}" if value is not None else []
    run = finish(
        {"map": call("noop", for_each=expression), "behind": call("noop", needs="map")},
        value=value,  # type: ignore[arg-type]  # JSON
        output="${{ steps.map.output }}",
    )

    assert (run.state, run.output) == ("succeeded", [])
    assert states(run.id) == {"map": "succeeded", "behind": "succeeded"}


@pytest.mark.parametrize("value", ["text", {"a": 1}, 7, None])
def test_value_that_is_not_a_list_is_refused(value: object) -> None:
    run = finish({"map": call("noop", for_each="${{ input }}")}, value=value)  # type: ignore[arg-type]  # JSON

    assert run.error is not None
    assert (run.state, run.error["kind"]) == ("failed", "refused")
    assert "must give a list" in run.error["message"]
    assert DeadLetter.objects.get(run_id=run.id).index is None


def test_list_with_too_many_items_is_refused() -> None:
    with override_settings(FOR_EACH_MAX_ITEMS=3):
        run = finish({"map": call("noop", for_each="${{ input }}")}, value=[1, 2, 3, 4])

    assert run.error is not None
    assert "at most 3" in run.error["message"]


def test_list_that_cannot_be_stored_is_refused() -> None:
    run = finish({"map": call("noop", for_each="${{ ['\\x00'] }}")})

    assert (run.state, states(run.id)) == ("failed", {"map": "failed"})


def test_for_each_is_skipped_when_its_condition_is_false() -> None:
    run = finish({"map": call("noop", for_each=[1], **{"if": False})})

    assert states(run.id) == {"map": "skipped"}
    assert not Item.objects.filter(run_id=run.id).exists()


def test_item_is_tried_again_alone() -> None:
    run = finish(
        {"map": call("fail_until", for_each=[1, 3, 1], args={"attempt": "${{ item }}"}, retry=AT_ONCE)},
        output="${{ steps.map.output }}",
    )

    assert (run.state, run.output) == ("succeeded", [1, 3, 1])
    assert items(run.id) == [("succeeded", 1, 1), ("succeeded", 3, 3), ("succeeded", 1, 1)]
    attempts = Attempt.objects.filter(run_id=run.id)
    assert [(one.index, one.attempt, one.kind) for one in attempts] == [(1, 1, "unavailable"), (1, 2, "unavailable")]
    assert trail(run.id).count("item.retrying") == 2


def test_run_waits_for_items_that_are_tried_again_later() -> None:
    run_id = begin(
        {
            "map": call(
                "fail_until",
                for_each=[1, 2],
                args={"attempt": "${{ item }}"},
                retry={"first": "60s", "cap": "60s", "jitter": "none"},
            )
        }
    )

    work(run_id)

    activation = Activation.objects.get(run_id=run_id)
    assert (activation.state, activation.wait_reason) == ("waiting", "items")
    assert [state for state, *_ in items(run_id)] == ["succeeded", "waiting"]
    let_time_pass(run_id)
    work(run_id)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_failing_items_fail_the_step_and_leave_the_others_done(ledger: Ledger) -> None:
    run = finish(
        {
            "map": call("fail_on", for_each=[1, 2, 3, 4], parallel=2, args={"value": "${{ item }}", "bad": 2}),
            "behind": call("noop", needs="map"),
        }
    )

    letter = DeadLetter.objects.get(run_id=run.id)
    assert [state for state, *_ in items(run.id)] == ["succeeded", "failed", "succeeded", "succeeded"]
    assert (letter.index, letter.kind, letter.payload) == (
        1,
        "refused",
        {"call": "flows.fail_on", "args": {"value": 2, "bad": 2}},
    )
    assert states(run.id) == {"map": "failed", "behind": "upstream_failed"}
    assert run.error == {"kind": "error", "message": "1 of its items failed", "step": "map"}


def test_requeued_item_goes_on_alone_and_then_its_run(tmp_path: Path, ledger: Ledger) -> None:
    gate = tmp_path / "gate-2"
    for number in (1, 3):
        (tmp_path / f"gate-{number}").touch()
    run_id = begin(
        {
            "map": call(
                "fail_unless",
                for_each=[1, 2, 3],
                retry={"attempts": 1},
                args={"path": f"{tmp_path}/gate-${{{{ item }}}}", "ledger": str(ledger.path)},
            ),
            "behind": call("noop", needs="map"),
        }
    )
    work(run_id)
    gate.touch()

    operations.requeue_dead_letter(
        dead_letter_id=DeadLetter.objects.get(run_id=run_id).id, actor=TESTER, now=timezone.now()
    )
    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert [state for state, *_ in items(run_id)] == ["succeeded"] * 3
    assert states(run_id) == {"map": "succeeded", "behind": "succeeded"}
    keys = [entry.key for entry in ledger.entries("begin")]
    assert sorted(keys) == sorted(idempotency_key(run=run_id, step="map", index=index) for index in (0, 1, 1, 2))


def test_item_requeued_while_others_are_under_way_is_done_with_them(tmp_path: Path) -> None:
    run_id = begin(
        {
            "map": call(
                "fail_unless",
                for_each=["a", "b"],
                retry={"attempts": 2, "first": "60s", "cap": "60s", "jitter": "none"},
                args={"path": f"{tmp_path}/${{{{ item }}}}"},
            )
        }
    )
    work(run_id)
    Item.objects.filter(run_id=run_id, index=0).update(due_at=timezone.now())
    Activation.objects.filter(run_id=run_id).update(due_at=timezone.now())
    work(run_id)
    (letter,) = DeadLetter.objects.filter(run_id=run_id)
    for name in ("a", "b"):
        (tmp_path / name).touch()

    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    work(run_id, is_patient=False)

    assert [state for state, *_ in items(run_id)] == ["succeeded"] * 2
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_items_given_back_at_the_end_of_a_shift_are_all_done_later(ledger: Ledger) -> None:
    """Also those whose second attempt was under way."""
    args = {"attempt": 2, "ledger": str(ledger.path), "seconds": 0.06}
    run_id = begin({"map": call("fail_until", for_each=list(range(6)), args=args, retry=AT_ONCE)})

    with override_settings(SHIFT_S=0.05):
        work(run_id, is_patient=False)

    assert [(state, attempt) for state, _, attempt in items(run_id)] == [("succeeded", 2)] * 6
    assert len(ledger.entries("begin")) == 12
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_item_in_another_pullers_hands_is_not_taken_over_with_a_range() -> None:
    """Puller 0 held items 0 to 3 when it was lost; puller 1 is at the second attempt of item 0."""
    run_id = uuid4()
    store.open_items(run_id=run_id, step="map", values=[1] * 8)
    Item.objects.filter(run_id=run_id, index=0).update(state="running", slot=1)

    held = store.held_items(run_id=run_id, step="map", first=0, until=4, slot=0)

    assert [item.index for item in held] == [1, 2, 3]


def test_puller_that_lost_its_lease_takes_no_waiting_items() -> None:
    run_id = begin({"map": call("fail_until", for_each=[1], args={"attempt": 2}, retry={"first": "60s", "cap": "60s"})})
    work(run_id)
    let_time_pass(run_id)
    activation = Activation.objects.get(run_id=run_id)

    taken = store.take_waiting_items(
        run_id=run_id, step="map", hold={"id": activation.id, "epoch": activation.epoch - 1}, slot=0, limit=4
    )

    assert taken == []
    assert Item.objects.get(run_id=run_id).state == "waiting"


def test_loss_costs_an_attempt_only_the_item_that_was_under_way(ledger: Ledger) -> None:
    """The puller dies with eleven items before it: the first is tried again, the others have all their attempts."""
    args = {"ledger": str(ledger.path), "seconds": 0.02}
    retry = {**AT_ONCE, "attempts": 2}
    run_id = begin({"map": call("effect", for_each=list(range(12)), retry=retry, args=args)})
    with override_settings(SHIFT_S=0.01):
        shift.execute(claimable(run_id))
    assert Item.objects.filter(run_id=run_id, state="ready").count() == 11
    store.claim(refs=claimable(run_id), owner="dead", lease_s=60)
    lose(run_id)

    work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert [attempt for _, _, attempt in items(run_id)] == [1, 2, *[1] * 10]
    attempt = Attempt.objects.get(run_id=run_id)
    assert (attempt.kind, attempt.index) == ("lost", 1)


def test_loss_counts_though_its_successor_gives_the_items_back_at_once() -> None:
    """A shift may be over before its first round: on a busy machine, or because others are more urgent."""
    run_id = begin({"map": call("echo", for_each=[1, 2], retry=AT_ONCE)})
    (claim,) = store.claim(refs=claimable(run_id), owner="dead", lease_s=60)
    hold: store.HoldRow = {"id": claim.id, "epoch": claim.epoch}
    store.open_items(run_id=run_id, step="map", values=[1, 2])
    Fanout.objects.create(run_id=run_id, step="map", total=2, started_at=timezone.now())
    store.take_items(run_id=run_id, step="map", hold=hold, limit=2, parallel=1)
    lose(run_id)

    with override_settings(SHIFT_S=0):
        shift.execute(claimable(run_id))
    work(run_id)

    assert list(Attempt.objects.filter(run_id=run_id).values_list("kind", "index")) == [("lost", 0)]
    assert [(state, attempt) for state, _, attempt in items(run_id)] == [("succeeded", 2), ("succeeded", 1)]


def test_item_without_another_attempt_becomes_a_dead_letter_when_its_puller_is_lost() -> None:
    args = {"seconds": 0.02}
    run_id = begin({"map": call("sleep", for_each=[1] * 12, retry={"attempts": 1}, args=args)})
    with override_settings(SHIFT_S=0.01):
        shift.execute(claimable(run_id))
    store.claim(refs=claimable(run_id), owner="dead", lease_s=60)
    lose(run_id)

    work(run_id)

    letter = DeadLetter.objects.get(run_id=run_id)
    assert (letter.kind, letter.index, letter.attempts) == ("lost", 1, 1)
    assert letter.payload == {"call": "flows.sleep", "args": args}
    assert [state for state, *_ in items(run_id)].count("succeeded") == 11


def test_late_results_of_a_lost_puller_are_discarded_and_audited(ledger: Ledger, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    args = {"ledger": str(ledger.path), "gate": str(gate)}
    run_id = begin({"map": call("effect", for_each=[1, 2, 3], args=args, retry=AT_ONCE)})
    refs = claimable(run_id)
    first = aside(lambda: shift.execute(refs))
    wait_until(lambda: ledger.entries("begin"), what="the first puller has begun")
    lose(run_id)
    second = aside(lambda: shift.execute(refs))
    wait_until(lambda: len(ledger.entries("begin")) == 2, what="the second puller has begun")

    gate.touch()
    first.join(timeout=120)
    second.join(timeout=120)
    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "succeeded"
    assert [attempt for _, _, attempt in items(run_id)] == [2, 1, 1]
    assert trail(run_id).count("step.discarded") == 1
    assert sorted(indexes_done(run_id)) == [0, 1, 2]


def test_for_each_that_is_lost_before_it_is_open_has_used_up_an_attempt() -> None:
    once = {"map": call("noop", for_each=[1, 2], retry={"attempts": 1})}
    run_id = begin(once)
    store.claim(refs=claimable(run_id), owner="a worker that dies", lease_s=60)
    lose(run_id)

    work(run_id, is_patient=False)

    assert Run.objects.get(id=run_id).state == "failed"
    letter = DeadLetter.objects.get(run_id=run_id)
    assert (letter.kind, letter.step, letter.index, letter.attempts) == ("lost", "map", None, 1)
    assert items(run_id) == []
