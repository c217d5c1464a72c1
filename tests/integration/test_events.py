"""Events and the steps that wait for them: whichever comes first, each step receives one, once, and nothing is lost."""

from collections.abc import Mapping
from datetime import timedelta
from threading import Event as Signal
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from tests.flows import driving
from tests.flows.driving import TESTER
from tests.support.waiting import wait_until
from workflows import event_store, inspection, operations
from workflows.core.correlation import NewEvent
from workflows.core.definition import JsonValue
from workflows.core.outcome import NEVER
from workflows.errors import EventInvalid
from workflows.models import Activation, DeadLetter, Event, EventWait, Item, Run, Step

pytestmark = pytest.mark.usefixtures("database")


def waiting(key: str = "${{ input.key }}", **more: object) -> dict[str, object]:
    """This will be a step that waits for an event `paid`."""
    event = {"type": "paid", "key": key, **{name: more.pop(name) for name in ("match", "source") if name in more}}
    given = {name: more.pop(name) for name in ("for", "until", "on_timeout") if name in more}
    return {"uses": "wait", "with": {"event": event, **given}, **more}


def publish(key: str, *, event_id: str = "", data: JsonValue = None, **more: object) -> operations.Published:
    """This will publish an event `paid`."""
    event = NewEvent(id=event_id or uuid4().hex, source="shop", type="paid", key=key, data=data, **more)  # type: ignore[arg-type]  # fields by name
    return operations.publish_event(event, actor=TESTER, now=timezone.now())


def begin(steps: Mapping[str, object], *, key: str, **more: object) -> UUID:
    """This will begin a run that is about a key."""
    return driving.begin(steps, value={"key": key}, **more)  # type: ignore[arg-type]  # parts of the definition


def output(run_id: UUID, step: str = "paid") -> dict[str, object]:
    """This will give the output of a step that has ended."""
    found = Step.objects.get(run_id=run_id, step=step).output
    assert isinstance(found, dict)
    return found


def received(run_id: UUID, step: str = "paid") -> object:
    """This will give the data of the event that a step received."""
    return output(run_id, step)["event"]["data"]  # type: ignore[index]  # it is an object


@pytest.fixture
def key() -> str:
    """This will be a key of this test alone."""
    return uuid4().hex


def test_step_waits_as_a_row_that_names_its_event(key: str) -> None:
    run_id = begin({"paid": waiting()}, key=key)

    driving.work(run_id)

    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))
    assert (wait.reason.value, wait.object_kind, wait.object_name) == ("event", "event", f"paid {key}")
    row = Activation.objects.get(run_id=run_id)
    assert (row.state, row.due_at) == ("waiting", NEVER)


def test_event_that_comes_later_wakes_the_step(key: str) -> None:
    after = {"uses": "set", "with": {"got": "${{ steps.paid.output.event.data.sum }}"}, "needs": "paid"}
    run_id = begin({"paid": waiting(), "after": after}, key=key)
    driving.work(run_id)

    told = publish(key, data={"sum": 7})
    driving.work(run_id)

    assert (told.is_new, told.waiting) == (True, 1)
    assert output(run_id, "after") == {"got": 7}
    assert driving.trail(run_id)[:4] == ["run.started", "step.parked", "event.received", "step.succeeded"]
    assert Step.objects.get(run_id=run_id, step="paid").attempts == 1


def test_event_that_came_first_is_there(key: str) -> None:
    told = publish(key, event_id="e1", data=1, subject="order 7", attributes={"region": "eu"})

    run_id = begin({"paid": waiting()}, key=key)
    driving.work(run_id)

    found = output(run_id)
    event = found["event"]
    assert isinstance(event, dict)
    assert told.waiting == 0
    assert (found["timed_out"], event["id"], event["source"], event["type"]) == (False, "e1", "shop", "paid")
    assert (event["key"], event["subject"], event["data"]) == (key, "order 7", 1)
    assert event["attributes"] == {"region": "eu"}
    assert "step.parked" not in driving.trail(run_id)


def test_duplicate_changes_nothing_and_names_the_first(key: str) -> None:
    first = publish(key, event_id=f"{key}-1", data="first")
    again = publish(key, event_id=f"{key}-1", data="second")

    run_id = begin({"paid": waiting()}, key=key)
    driving.work(run_id)

    assert (again.is_new, again.row, again.waiting) == (False, first.row, 0)
    assert received(run_id) == "first"
    assert Event.objects.filter(key=key).count() == 1


def test_batch_keeps_its_order_and_knows_duplicates_inside_itself(key: str) -> None:
    events = [NewEvent(id=f"{key}-{n % 3}", source="shop", type="paid", key=key, data=n) for n in range(5)]

    told = operations.publish_events(events, actor=TESTER, now=timezone.now())

    assert [one.is_new for one in told] == [True, True, True, False, False]
    assert told[3].row == told[0].row
    assert list(Event.objects.filter(key=key).order_by("received_at").values_list("data", flat=True)) == [0, 1, 2]


def test_batch_with_a_wrong_event_stores_none(key: str) -> None:
    right = NewEvent(id=key, source="shop", type="paid", key=key)
    wrong = NewEvent(id=f"{key}-2", source="shop", type="paid", key=key, ttl_s=1e9)

    with pytest.raises(EventInvalid, match=r"\$\[1\].ttl"):
        operations.publish_events([right, wrong], actor=TESTER, now=timezone.now())

    assert not Event.objects.filter(key=key).exists()


def test_every_waiting_step_receives_the_event_and_each_takes_one(key: str) -> None:
    runs = [begin({"paid": waiting()}, key=key) for _ in range(3)]
    driving.work(*runs)

    told = publish(key, data="a")
    publish(key, data="b")
    driving.work(*runs)

    assert told.waiting == 3
    assert [received(run_id) for run_id in runs] == ["a", "a", "a"]
    assert EventWait.objects.filter(event=told.row).count() == 3


def test_two_steps_of_a_run_take_different_events_when_they_say_so(key: str) -> None:
    other = waiting(match="event.id != steps.paid.output.event.id", needs="paid")
    run_id = begin({"paid": waiting(), "again": other}, key=key)
    publish(key, data="a")
    driving.work(run_id)

    publish(key, data="b")
    driving.work(run_id)

    assert [received(run_id), received(run_id, "again")] == ["a", "b"]


def test_event_of_another_type_key_or_source_wakes_nobody(key: str) -> None:
    run_id = begin({"paid": waiting(source="bank")}, key=key)
    driving.work(run_id)

    told = [publish(key), publish(f"{key}-other")]
    driving.work(run_id)

    assert [one.waiting for one in told] == [0, 0]
    assert Run.objects.get(id=run_id).state == "running"


def test_match_passes_events_over_and_says_why(key: str) -> None:
    run_id = begin({"paid": waiting(match="${{ event.data.sum > 10 && event.key == input.key }}")}, key=key)
    publish(key, data={"sum": 1})
    publish(key, data={"total": 20})
    driving.work(run_id)

    wait = EventWait.objects.get(run_id=run_id)
    assert (wait.state, wait.passed_over) == ("waiting", 2)
    assert "sum" in wait.problem
    publish(key, data={"sum": 11})
    driving.work(run_id)

    assert received(run_id) == {"sum": 11}


def test_expired_event_is_not_there_for_who_comes_later(key: str) -> None:
    publish(key, data="old", ttl_s=0)

    run_id = begin({"paid": waiting()}, key=key)
    driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "running"


def test_event_that_expires_at_once_reaches_who_waits_however_late_it_looks(key: str) -> None:
    run_id = begin({"paid": waiting()}, key=key)
    driving.work(run_id)

    publish(key, data="now", ttl_s=0)
    Event.objects.filter(key=key).update(expires_at=timezone.now() - timedelta(milliseconds=1))
    driving.work(run_id)

    assert received(run_id) == "now"


def test_step_fails_when_its_event_has_not_come_in_time(key: str) -> None:
    run_id = begin({"paid": waiting(**{"for": "3d"})}, key=key)
    driving.work(run_id)
    (wait,) = inspection.waits_of(Run.objects.get(id=run_id))

    driving.work(run_id, is_patient=False)

    assert wait.due_at is not None
    assert timedelta(days=2, hours=23) < wait.due_at - timezone.now() < timedelta(days=3)
    run = Run.objects.get(id=run_id)
    assert isinstance(run.error, dict)
    assert (run.state, run.error["kind"]) == ("failed", "timeout")
    assert f"the event paid {key} did not come by" in run.error["message"]
    assert EventWait.objects.get(run_id=run_id).state == "timed_out"


def test_step_goes_on_without_its_event_when_it_is_told_to(key: str) -> None:
    late = {"uses": "set", "with": {"late": True}, "needs": "paid", "if": "steps.paid.output.timed_out"}
    run_id = begin({"paid": waiting(**{"for": "1h"}, on_timeout="continue"), "late": late}, key=key)
    driving.work(run_id, is_patient=False)

    assert output(run_id)["event"] is None
    assert output(run_id, "late") == {"late": True}


def test_event_that_came_after_the_time_was_over_is_too_late(key: str) -> None:
    run_id = begin({"paid": waiting(**{"for": "1h"}, on_timeout="continue")}, key=key)
    driving.work(run_id)
    driving.let_time_pass(run_id)

    publish(key)
    driving.work(run_id)

    assert output(run_id)["timed_out"] is True


def test_event_that_came_in_time_counts_however_late_somebody_looks(key: str) -> None:
    run_id = begin({"paid": waiting(**{"for": "1h"}, on_timeout="continue")}, key=key)
    driving.work(run_id)
    publish(key)
    Event.objects.filter(key=key).update(received_at=timezone.now() - timedelta(minutes=30))
    Activation.objects.filter(run_id=run_id).update(begun_at=timezone.now() - timedelta(minutes=70))

    driving.work(run_id)

    assert output(run_id)["timed_out"] is False


def test_items_wait_for_their_own_events(key: str) -> None:
    step = waiting(key=f"{key}-${{{{ item }}}}", for_each=["a", "b"], parallel=1)
    run_id = begin({"paid": step}, key=key)
    driving.work(run_id)
    assert set(Item.objects.filter(run_id=run_id).values_list("wait_object", flat=True)) == {
        f"paid {key}-a",
        f"paid {key}-b",
    }

    publish(f"{key}-b", data=2)
    driving.work(run_id)
    publish(f"{key}-a", data=1)
    driving.work(run_id)

    outputs = Item.objects.filter(run_id=run_id).order_by("index").values_list("output", flat=True)
    assert [one["event"]["data"] for one in outputs] == [1, 2]  # type: ignore[index]  # each is an object


def test_rolled_back_publication_never_happened(key: str) -> None:
    run_id = begin({"paid": waiting()}, key=key)
    driving.work(run_id)

    with transaction.atomic():
        publish(key)
        transaction.set_rollback(True)

    driving.work(run_id)
    assert not Event.objects.filter(key=key).exists()
    assert Activation.objects.get(run_id=run_id).due_at == NEVER


def test_event_under_way_while_the_step_looks_is_found_in_a_moment(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The publisher asks who waits before the step has said so, and commits after it has looked."""
    has_published, may_commit = Signal(), Signal()
    run_id = begin({"paid": waiting()}, key=key)
    ask = event_store.ask

    def publish_slowly() -> None:
        with transaction.atomic():
            assert publish(key, data="slow").waiting == 0
            has_published.set()
            may_commit.wait(120)

    def ask_meanwhile(wait: event_store.WaitRow) -> event_store.Asked | None:
        monkeypatch.setattr(event_store, "ask", ask)
        driving.aside(publish_slowly)
        assert has_published.wait(120)
        return ask(wait)

    monkeypatch.setattr(event_store, "ask", ask_meanwhile)
    driving.work(run_id)
    row = Activation.objects.get(run_id=run_id)
    may_commit.set()

    assert (row.wait_reason, row.due_at < NEVER) == ("event", True)
    wait_until(lambda: Event.objects.filter(key=key).exists(), what="the event is published")
    driving.let_time_pass(run_id)
    driving.work(run_id)
    assert received(run_id) == "slow"


def test_event_published_between_question_and_parking_is_seen(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = begin({"paid": waiting()}, key=key)
    try_lock = event_store.try_lock

    def publish_meanwhile(*, event_type: str, key: str) -> bool:
        monkeypatch.setattr(event_store, "try_lock", try_lock)
        is_alone = try_lock(event_type=event_type, key=key)
        driving.aside(lambda: publish(key, data="meanwhile"))
        return is_alone

    monkeypatch.setattr(event_store, "try_lock", publish_meanwhile)
    driving.work(run_id)
    wait_until(
        lambda: bool(driving.claimable(run_id)) or Run.objects.get(id=run_id).state == "succeeded",
        limit_s=300,
        what="the step is woken",
    )
    driving.work(run_id)

    assert received(run_id) == "meanwhile"


def test_step_whose_worker_died_after_it_received_has_the_same_event(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = begin({"paid": waiting()}, key=key)
    publish(key, data="a")
    end = event_store.end

    def die(*arguments: object, **more: object) -> bool:
        monkeypatch.setattr(event_store, "end", end)
        end(*arguments, **more)  # type: ignore[arg-type]  # as it was called
        raise KeyboardInterrupt

    monkeypatch.setattr(event_store, "end", die)
    with pytest.raises(KeyboardInterrupt):
        driving.work(run_id)
    Event.objects.filter(key=key).update(expires_at=timezone.now() - timedelta(days=1))
    publish(key, data="b")
    driving.lose(run_id)
    driving.work(run_id)

    assert received(run_id) == "a"
    assert driving.trail(run_id).count("event.received") == 1


def test_wait_is_closed_with_its_run(key: str) -> None:
    run_id = begin({"paid": waiting()}, key=key)
    driving.work(run_id)

    operations.cancel_run(run_id=run_id, actor=TESTER, now=timezone.now())

    assert EventWait.objects.get(run_id=run_id).state == "closed"
    assert publish(key).waiting == 0


def test_requeued_step_waits_anew(key: str) -> None:
    run_id = begin({"paid": waiting(**{"for": "1h"})}, key=key)
    driving.work(run_id, is_patient=False)
    letter = DeadLetter.objects.get(run_id=run_id)
    operations.requeue_dead_letter(dead_letter_id=letter.id, actor=TESTER, now=timezone.now())
    driving.work(run_id)

    publish(key, data="after all")
    driving.work(run_id)

    assert received(run_id) == "after all"
    states = EventWait.objects.filter(run_id=run_id).order_by("round").values_list("state", flat=True)
    assert list(states) == ["timed_out", "received"]


@pytest.mark.parametrize("key_value", [True, 1.5, "", ["a"], "x" * 201])
def test_key_that_correlates_nothing_is_refused(key_value: JsonValue) -> None:
    run = driving.finish({"paid": waiting()}, value={"key": key_value})

    assert isinstance(run.error, dict)
    assert (run.state, run.error["kind"]) == ("failed", "refused")
    assert "`event.key`" in run.error["message"]


def test_whole_number_is_a_key(key: str) -> None:
    run_id = driving.begin({"paid": waiting()}, value={"key": int(key[:12], 16)})
    driving.work(run_id)

    publish(str(int(key[:12], 16)))
    driving.work(run_id)

    assert Run.objects.get(id=run_id).state == "succeeded"
