"""What goes next, on real rows: by priority with ageing, in fair shares, lane by lane; and what starts later."""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from tests.flows.driving import aside, call, claimable, publish, start, work
from workflows import due, inspection, statements, store
from workflows.core.problems import Problem
from workflows.dispatch import order as dispatch_order
from workflows.dispatch.order import Order
from workflows.errors import InputInvalid, LaneFull
from workflows.execution import shift, urgency
from workflows.models import Activation, Run
from workflows.operations import lane_room
from workflows.store import Due

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def lane() -> Iterator[str]:
    """This will be a lane that only one test knows."""
    name = f"lane-{uuid4().hex[:8]}"
    yield name
    Activation.objects.filter(lane=name).delete()


def queue(lane: str, *, count: int = 1, key: str = "", waited_s: float = 1.0, **columns: object) -> list[UUID]:
    """This will have segments wait in a lane; a later one became due after the one before it."""
    now = timezone.now()
    version_id = Run.objects.order_by("-id").values_list("version_id", flat=True)[0]
    rows = [
        Activation(
            run_id=uuid4(),
            version_id=version_id,
            segment=0,
            lane=lane,
            fairness_key=key,
            due_at=now - timedelta(seconds=waited_s) + timedelta(microseconds=number),
            created_at=now,
            **columns,
        )
        for number in range(count)
    ]
    return [row.run_id for row in Activation.objects.bulk_create(rows)]


@pytest.fixture(autouse=True)
def _version(database: None) -> None:
    start(publish({"only": call("noop")}))


def take(order: Order, lane: str, *, room: int) -> Sequence[Due]:
    """This will take as a dispatcher does."""
    return order.take({lane: room}).dues


def test_higher_priority_goes_first_and_among_equals_who_waited_longest(lane: str) -> None:
    late = queue(lane, waited_s=1, priority=0)
    early = queue(lane, waited_s=2, priority=0)
    urgent = queue(lane, waited_s=0, priority=5)

    taken = take(Order(), lane, room=10)

    assert [one.run_id for one in taken] == [*urgent, *early, *late]


def test_low_priority_that_has_waited_long_enough_goes_before_a_higher_one(lane: str) -> None:
    """One step of priority is worth ten seconds."""
    high = queue(lane, waited_s=0, priority=3)
    aged = queue(lane, waited_s=31, priority=0)
    young = queue(lane, waited_s=29, priority=0)

    taken = take(Order(), lane, room=10)

    assert [one.run_id for one in taken] == [*aged, *high, *young]


def test_keys_take_turns_however_much_each_has_queued(lane: str) -> None:
    queue(lane, count=60, key="large", waited_s=9)
    queue(lane, count=3, key="small", waited_s=1)
    order = Order()

    first = [one.fairness_key for _ in range(6) for one in take(order, lane, room=1)]

    assert Counter(first) == {"large": 3, "small": 3}


def test_shares_follow_the_weights(lane: str) -> None:
    queue(lane, count=80, key="a", fairness_weight=3.0)
    queue(lane, count=80, key="b", fairness_weight=1.0)
    order = Order()

    taken = Counter(one.fairness_key for _ in range(10) for one in take(order, lane, room=8))

    assert abs(taken["a"] - 60) <= 2
    assert taken["a"] + taken["b"] == 80


def test_every_key_gets_its_turn_when_there_are_more_than_one_round_looks_at(lane: str) -> None:
    keys = {f"tenant-{number:03}" for number in range(3 * dispatch_order._GROUPS)}
    for key in keys:
        queue(lane, count=2, key=key)
    order = Order()

    seen: set[str] = set()
    for _ in range(12):
        seen.update(one.fairness_key for one in take(order, lane, room=dispatch_order._GROUPS))

    assert seen == keys


def test_key_with_more_priorities_than_one_round_looks_at_hides_no_other(lane: str) -> None:
    for priority in range(2 * dispatch_order._GROUPS):
        queue(lane, key="z", priority=priority)
    hidden = queue(lane, key="a")
    order = Order()

    taken = [one.run_id for _ in range(6) for one in take(order, lane, room=1_000)]

    assert set(hidden) <= set(taken)
    assert len(taken) == 2 * dispatch_order._GROUPS + 1


def test_room_of_each_lane_is_kept_and_the_urgent_lane_comes_first(lane: str) -> None:
    other = f"{lane}-x"
    queue(lane, count=5)
    queue(other, count=5)

    taken = Order().take({other: 2, lane: 3}).dues
    Activation.objects.filter(lane=other).delete()

    assert [one.lane for one in taken] == [other] * 2 + [lane] * 3


def test_what_is_not_due_is_not_taken_and_what_is_taken_is_due_again_later(lane: str) -> None:
    queue(lane, waited_s=-60)
    queue(lane)
    order = Order()

    assert len(take(order, lane, room=10)) == 1
    assert len(take(order, lane, room=10)) == 0
    assert Activation.objects.get(lane=lane, dispatches=1).due_at > timezone.now()


def test_what_others_hold_does_not_hide_what_nobody_holds(lane: str) -> None:
    """Whoever froze in the middle of its commits keeps the rows that are due longest; all behind them goes on."""
    held, free = queue(lane, count=50, waited_s=9), queue(lane, count=6, waited_s=1)
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(Activation.objects.select_for_update().filter(run_id__in=held))
            is_held.set()
            may_end.wait(120)

    holder = aside(hold)
    assert is_held.wait(120)
    order = Order()
    rounds = [order.take({lane: 4})]
    while rounds[-1].has_more:
        rounds.append(order.take({lane: 4}))
    may_end.set()
    holder.join(120)

    assert [one.run_id for taken in rounds for one in taken.dues] == free
    assert len(rounds) < 9
    assert [one.run_id for _ in range(13) for one in take(order, lane, room=4)] == held


def test_round_reads_little_of_a_long_backlog(lane: str) -> None:
    """Its cost grows with what it takes, not with what waits: 5,000 rows are about 200 pages."""
    queue(lane, count=5_000)
    ask = {"urgency": 0, "lane": lane, "room": 10, "spare": 0, "before_key": "~", "before_priority": 1}
    params = {
        "asks": orjson.dumps([ask]).decode(),
        "leads": "[]",
        "groups": 64,
        "ageing_s": 10.0,
        "again_s": 1.0,
        "again_cap_s": 2.0,
        "gates": store.GATES,
    }
    with connection.cursor() as cursor:
        cursor.execute("analyze workflows_activation")
        cursor.execute(f"explain (analyze, buffers, format json) {statements.statements()['take_due']}", params)
        (answer,) = cursor.fetchone()
    plan = (orjson.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    reading = [node for node in nodes(plan) if node.get("Relation Name") == "workflows_activation"]

    assert max(node["Actual Rows"] for node in reading) <= 10
    assert Activation.objects.filter(lane=lane, dispatches=1).count() == 10


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:  # Any: EXPLAIN's nodes
    """This will walk through a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def test_run_has_the_fairness_key_of_its_input_and_the_weight_of_the_settings(settings: pytest.FixtureRequest) -> None:
    settings.FAIRNESS_WEIGHTS = {"acme": 5.0}  # type: ignore[attr-defined]  # pytest-django's settings
    fairness = {"key": "${{ input.tenant }}", "weight": 2}
    workflow = publish({"a": call("noop"), "b": call("noop", needs="a", queue="io")}, fairness=fairness)

    ids = [start(workflow, value={"tenant": tenant}) for tenant in ("acme", "other", 7)]

    found = Run.objects.in_bulk(ids)
    assert [(found[one].fairness_key, found[one].fairness_weight) for one in ids] == [
        ("acme", 5.0),
        ("other", 2.0),
        ("7", 2.0),
    ]
    shift.execute(claimable(ids[0]))
    assert Activation.objects.get(run_id=ids[0], lane="io").fairness_key == "acme"
    work(*ids)


@pytest.mark.parametrize("value", [{}, {"tenant": None}, {"tenant": ["a"]}, {"tenant": "x" * 65}, {"tenant": "é" * 33}])
def test_start_without_a_usable_fairness_key_is_refused(value: dict[str, object]) -> None:
    workflow = publish({"a": call("noop")}, fairness={"key": "${{ input.tenant }}"})

    with pytest.raises(InputInvalid) as refused:
        start(workflow, value=value)  # type: ignore[arg-type]  # JSON

    assert [problem.path for problem in refused.value.problems] == ["$.fairness.key"]


def test_priority_out_of_range_is_refused() -> None:
    with pytest.raises(InputInvalid) as refused:
        start(publish({"a": call("noop")}), priority=101)

    assert isinstance(refused.value.problems[0], Problem)


def test_delayed_run_says_so_starts_then_and_its_deadline_counts_from_there() -> None:
    at = timezone.now() + timedelta(hours=1)
    run_id = start(publish({"a": call("noop")}, deadline="10m"), start_at=at)
    run = Run.objects.select_related("version").get(id=run_id)

    (wait,) = inspection.waits_of(run)
    assert (wait.reason, wait.object_kind, wait.due_at) == ("delayed", "start", at)
    assert inspection.steps_of(run)[0].state == "waiting"
    assert run.deadline_at == at + timedelta(minutes=10)
    assert claimable(run_id) == []

    work(run_id, is_patient=False)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_work_that_makes_way_for_more_urgent_work_keeps_its_place() -> None:
    """It does one step, gives the rest back, and is due since it was ready; without urgency it would go on."""
    steps = {"a": call("noop", queue="bulk"), "b": call("noop", needs="a", queue="bulk")}
    run_id = start(publish(steps))
    refs = claimable(run_id)
    created_at = Activation.objects.get(run_id=run_id).created_at

    urgency.show(0, children=[0])
    try:
        shift.execute(refs, rank=2)
    finally:
        urgency.show(urgency.NOTHING, children=[0])

    left = Activation.objects.get(run_id=run_id)
    assert (left.position, left.state, left.owner, left.due_at) == (1, "ready", "", created_at)
    shift.execute(refs, rank=2)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_work_given_back_at_the_end_of_its_time_lines_up_again(settings: pytest.FixtureRequest) -> None:
    settings.SHIFT_S = 0  # type: ignore[attr-defined]  # pytest-django's settings
    run_id = start(publish({"a": call("noop"), "b": call("noop", needs="a")}))
    Activation.objects.filter(run_id=run_id).update(created_at=F("created_at") - timedelta(hours=1))

    shift.execute(claimable(run_id))

    assert Activation.objects.get(run_id=run_id).due_at > timezone.now() - timedelta(minutes=1)


def test_due_work_is_counted_no_further_than_asked(lane: str) -> None:
    queue(lane, count=30, key="a")
    queue(lane, count=30, key="b", priority=4)
    queue(lane, count=10, waited_s=-60)

    assert [due.count_due(lane=lane, limit=limit) for limit in (10, 50, 100)] == [10, 50, 60]
    room = lane_room.Room(count=lambda name, limit: due.count_due(lane=name, limit=limit))
    room.ask(lane, limit=61)
    with pytest.raises(LaneFull):
        lane_room.Room(count=lambda name, limit: due.count_due(lane=name, limit=limit)).ask(lane, limit=60)


def test_waiting_run_says_how_many_of_its_kind_are_before_it() -> None:
    ids = [start(publish({"a": call("noop", queue="io")}), priority=77) for _ in range(3)]
    run = Run.objects.select_related("version").get(id=ids[2])

    (wait,) = inspection.waits_of(run)

    assert inspection.ahead_of(run, wait=wait) == "2 of its kind before it (priority 77)"
    work(*ids)
