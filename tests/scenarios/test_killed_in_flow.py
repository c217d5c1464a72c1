"""Everybody killed where the flow of a run is decided, before the commit or behind it: each decision counts once."""

from collections.abc import Iterator, Mapping
from uuid import UUID, uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from tests.flows.driving import AT_ONCE, TESTER, begin, call, states, trail, wait_for_end
from tests.scenarios import plays_of_endings
from tests.scenarios.killing import Play, Scene, Stage, Troupe, killed, output_of
from tests.support.waiting import wait_until
from workflows import operations
from workflows.core.correlation import NewEvent
from workflows.models import DeadLetter, Event, EventWait, GrownPlan, Item


def if_skips(on: Stage) -> Scene:
    """One of two branches is not taken."""
    branch = call("effect", needs="look", args=on.act)
    steps = {
        "look": {"uses": "set", "with": {"n": 1}},
        "no": {**branch, "if": "steps.look.output.n > 1"},
        "yes": {**branch, "if": "steps.look.output.n == 1"},
    }
    run_id = on.begin(steps, "step.skipped", at={"step": "no"})
    yield
    (run,) = wait_for_end(run_id)
    assert (run.state, states(run_id)) == ("succeeded", {"look": "succeeded", "no": "skipped", "yes": "succeeded"})
    assert {entry.step for entry in on.ledger.entries(run_id=run_id)} == set(on.done(run_id)) == {"yes"}


def switch_chooses(on: Stage) -> Scene:
    """One case of several goes on, and the join behind them comes once."""
    cases = {"uses": "switch", "with": {"value": "${{ input }}", "cases": {"a": "left", "b": "right"}}}
    branch = call("effect", needs="route", args=on.act)
    join = call("effect", needs=["left", "right"], when="none_failed_min_one_success", args=on.act)
    steps = {"route": cases, "left": branch, "right": branch, "join": join}
    run_id = on.begin(steps, "step.succeeded", value="a", at={"step": "route"})
    yield
    wait_for_end(run_id)
    assert output_of(run_id, "route") == {"case": "a", "chosen": ["left"]}
    assert states(run_id)["right"] == "skipped"
    assert on.done(run_id) == ["left", "join"]


def return_ends(on: Stage) -> Scene:
    """What stands behind an early return never begins."""
    steps = {
        "look": call("noop"),
        "enough": {"needs": "look", "uses": "return", "with": {"n": 1}},
        "late": call("effect", needs="enough", when="all_done", args=on.act),
    }
    run_id = on.begin(steps, "step.succeeded", at={"step": "enough"})
    yield
    (run,) = wait_for_end(run_id)
    assert (run.state, run.output, states(run_id)["late"]) == ("succeeded", {"n": 1}, "skipped")
    assert not on.ledger.entries(run_id=run_id)
    assert trail(run_id).count("run.succeeded") == 1


def _policy(on: Stage, policy: object, *, failing: int, wanted: list[str], state: str) -> Scene:
    steps = {
        "each": call(
            "fail_on",
            for_each=[2, 1, 2, 1],
            args={"value": "${{ item }}", "bad": 2},
            on_failure=policy,
            retry=AT_ONCE,
        )
    }
    run_id = on.begin(steps, "item.failed", at={"index": failing})
    yield
    (run,) = wait_for_end(run_id)
    items = Item.objects.filter(run_id=run_id).order_by("index")
    assert (run.state, [item.state for item in items]) == (state, wanted)
    on.check_lost(run_id, "each", index=failing)
    assert DeadLetter.objects.filter(run_id=run_id).count() == (1 if state == "failed" else 0)


def fail_fast_stops(on: Stage) -> Scene:
    """The first failed item stops the others."""
    stopped = ["failed", "cancelled", "cancelled", "cancelled"]
    return _policy(on, "fail_fast", failing=0, wanted=stopped, state="failed")


def collect_goes_on(on: Stage) -> Scene:
    """A failed item stops nobody."""
    tolerated = ["failed", "succeeded", "failed", "succeeded"]
    return _policy(on, "collect", failing=2, wanted=tolerated, state="succeeded")


def threshold_stops(on: Stage) -> Scene:
    """One more than may fail stops the rest."""
    stopped = ["failed", "succeeded", "failed", "cancelled"]
    return _policy(on, {"threshold": 1}, failing=2, wanted=stopped, state="failed")


def run_grows(on: Stage) -> Scene:
    """Further steps are there once."""
    steps = {
        "plan": call("grow_fan", args={**on.act, "count": 2}),
        "after": call("effect", needs="plan", args=on.act),
    }
    run_id = on.begin(steps, "run.grown", at={})
    yield
    (run,) = wait_for_end(run_id)
    assert run.state == "succeeded"
    on.check_lost(run_id, "plan")
    assert GrownPlan.objects.filter(run_id=run_id).count() == trail(run_id).count("run.grown") == 1
    assert set(states(run_id)) == {"plan", "new0", "new1", "after"}
    assert sorted(on.done(run_id)) == ["after", "new0", "new1"]
    assert on.done(run_id)[-1] == "after"


def rounds_go_on(on: Stage) -> Scene:
    """A round whose end was not committed is the same round again."""
    until = {"condition": "${{ output.status == 'done' }}", "every": "100ms", "times": 5}
    steps = {"poll": call("poll", args={**on.act, "done_in": 2}, repeat_until=until, retry=AT_ONCE)}
    run_id = on.begin(steps, "step.repeating", at={"step": "poll"})
    yield
    (run,) = wait_for_end(run_id)
    assert (run.state, len(on.ledger.effects_by_key(run_id=run_id))) == ("succeeded", 2)
    on.check_lost(run_id, "poll")


def wait_begins(on: Stage) -> Scene:
    """A wait begins once, and is not cut short."""
    run_id = on.begin({"rest": {"uses": "wait", "with": {"for": "2s"}}}, "step.parked", at={"step": "rest"})
    yield
    (run,) = wait_for_end(run_id)
    assert output_of(run_id, "rest")["waited_s"] >= 2
    assert (run.state, trail(run_id).count("step.parked")) == ("succeeded", 1)


def wait_ends(on: Stage) -> Scene:
    """The end of a wait is an end once."""
    steps = {"rest": {"uses": "wait", "with": {"for": "100ms"}}, "after": call("effect", needs="rest", args=on.act)}
    run_id = on.begin(steps, "step.succeeded", at={"step": "rest"})
    yield
    (run,) = wait_for_end(run_id)
    assert (run.state, on.done(run_id)) == ("succeeded", ["after"])


def _publish(key: str, number: int, *, ttl_s: float = 3600) -> operations.Published:
    event = NewEvent(id=f"{key}-{number}", source="shop", type="paid", key=key, ttl_s=ttl_s)
    return operations.publish_event(event, actor=TESTER, now=timezone.now())


def _paid(on: Stage, kind: str, at: Mapping[str, object], *, ttl_s: float, is_over: bool) -> UUID:
    """An event comes before the step that waits for it."""
    key = uuid4().hex
    for number in (1, 2):
        _publish(key, number, ttl_s=ttl_s)
    if is_over:
        latest = Event.objects.filter(key=key).latest("expires_at").expires_at
        wait_until(lambda: timezone.now() > latest, what="the events have expired")
    wait = {"event": {"type": "paid", "key": key}, "for": "100ms" if is_over else "1h", "on_timeout": "continue"}
    return on.begin({"paid": {"uses": "wait", "with": wait}}, kind, at=at)


def buffered_event_is_received(on: Stage) -> Scene:
    """An event that came first is received once, and the oldest one."""
    run_id = _paid(on, "event.received", {}, ttl_s=3600, is_over=False)
    yield
    wait_for_end(run_id)
    output = output_of(run_id, "paid")
    assert (output["timed_out"], output["event"]["id"][-2:]) == (False, "-1")
    assert trail(run_id).count("event.received") == EventWait.objects.filter(run_id=run_id).count() == 1


def event_wakes_once(on: Stage) -> Scene:
    """An event that comes while a step waits is received once; the same again and another one change nothing."""
    key = uuid4().hex
    wait = {"event": {"type": "paid", "key": key}, "for": "1h"}
    run_id = begin({"paid": {"uses": "wait", "with": wait}, "act": call("effect", needs="paid", args=on.act)})
    wait_until(EventWait.objects.filter(run_id=run_id).exists, what="it waits")
    on.stop("step.succeeded", run_id, step="paid")
    with transaction.atomic():  # who is woken stands still with the wait in its hands: the others must have come before
        told = [_publish(key, number) for number in (1, 1, 2)]
    yield
    assert [one.is_new for one in told] == [True, False, True]
    wait_for_end(run_id)
    assert output_of(run_id, "paid")["event"]["id"] == f"{key}-1"
    assert (trail(run_id).count("event.received"), on.done(run_id)) == (1, ["act"])


def expired_event_is_not_received(on: Stage) -> Scene:
    """An event whose time to live was over before does not come back because somebody died."""
    run_id = _paid(on, "step.succeeded", {"step": "paid"}, ttl_s=0.2, is_over=True)
    yield
    wait_for_end(run_id)
    assert output_of(run_id, "paid")["timed_out"] is True
    assert "event.received" not in trail(run_id)


PLAYS: Mapping[str, Play] = {
    play.__name__: play
    for play in (
        if_skips,
        switch_chooses,
        return_ends,
        fail_fast_stops,
        collect_goes_on,
        threshold_stops,
        run_grows,
        rounds_go_on,
        wait_begins,
        wait_ends,
        buffered_event_is_received,
        event_wakes_once,
        expired_event_is_not_received,
        *plays_of_endings.PLAYS,
    )
}


@pytest.fixture(scope="module", params=[True, False], ids=["behind_commit", "before_commit"])
def fallen(request: pytest.FixtureRequest, troupe: Troupe, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """This will be all plays behind the death of everybody."""
    directory = tmp_path_factory.mktemp("stage")
    with killed(PLAYS, troupe=troupe, directory=directory, is_kept=request.param) as made:
        yield made


@pytest.mark.parametrize("play", PLAYS)
def test_run_goes_on_where_everybody_was_killed(fallen: Stage, play: str) -> None:
    fallen.judge(play)
