"""The laws of schedules, webhooks, flow control and delays find what breaks them, planted in evidence that is clean."""

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

import pytest

from tests.chaos import laws
from tests.chaos.arrivals import FireEventRow, FireRow, Hook, HookRow, PlaceRow, Times
from tests.chaos.book import Book, Wanted
from tests.chaos.evidence import AttemptRow, Evidence, RunRow
from tests.chaos.workloads import BY_NAME
from tests.flows.ledger import Entry
from tests.unit.test_chaos_laws import at, begin, broken, event, run, step
from workflows.core.definition import Jitter, JsonValue, RetryPolicy, StepDefinition

STEPS = {"work": StepDefinition(id="work", uses="python", retry=RetryPolicy(attempts=9, first_s=1, factor=2, cap_s=3))}
SKIPPING, ALL, LATEST, SKIPPED = "chaos-skipping", "chaos-every-second", "chaos-missed-latest", "chaos-missed-skipped"


def done(number: int, workflow: str, value: JsonValue, *, began_s: float, ended_s: float) -> tuple[RunRow, Entry]:
    """This will be a run of one step that succeeded, with the beginning of that step."""
    result = BY_NAME[workflow].result(value)
    found = run(UUID(int=number), workflow, version=1, value=value, output=result)  # type: ignore[arg-type]  # it is JSON
    found = replace(found, created_at=at(began_s - 0.1), ended_at=at(ended_s))
    return found, begin(found.id, "work", seconds=began_s)


def evidence_of(*runs: tuple[RunRow, Entry], book: Book | None = None) -> Evidence:
    """This will be evidence of these runs without any breach of the trail."""
    rows = [found for found, _ in runs]
    steps = [step(row.id, "work", since=0, until=0) for row in rows]
    ends = {row.id: row.ended_at or at(0) for row in rows}
    events = [event(row.id, kind, **payload) for row in rows for kind, payload in _story()]
    return Evidence(
        book=book or Book(),
        workloads=BY_NAME,
        runs={row.id: row for row in rows},
        definitions={1: STEPS},
        steps=[replace(one, started_at=ends[one.run_id], ended_at=ends[one.run_id]) for one in steps],
        events=events,
        ledger=[entry for _, entry in runs],
        looks=1,
    )


def _story() -> list[tuple[str, dict[str, JsonValue]]]:
    return [("run.started", {}), ("step.succeeded", {"step": "work"}), ("run.succeeded", {})]


def fire(workflow: str, seconds: float, *, run_id: int | None = None, reason: str = "", late_s: float = 0.0) -> FireRow:
    """This will be a fire that was due so long after the start: started when it has a run, else skipped."""
    return FireRow(
        workflow=workflow,
        due_at=at(seconds),
        fire_at=at(seconds),
        recorded_at=at(seconds + late_s),
        state="skipped" if run_id is None else "started",
        reason=reason,
        run_id=None if run_id is None else UUID(int=run_id),
        settled_at=at(seconds + late_s + 0.01),
    )


def scheduled(workflow: str, *fires: FireRow, until: float) -> Evidence:
    """This will be a schedule with its fires and their runs, one second long each."""
    period_s = BY_NAME[workflow].period_s  # type: ignore[attr-defined]  # a workload with a schedule
    times = Times(starts_at=at(0), period_s=period_s, ends_at=at(until))
    runs = [
        done(one.run_id.int, workflow, {"due_at": one.due_at.isoformat()}, began_s=began, ended_s=began + 1)
        for one in fires
        if one.run_id is not None and (began := (one.recorded_at - at(0)).total_seconds()) >= 0
    ]
    told = [FireEventRow(workflow=one.workflow, due_at=one.due_at, state=one.state) for one in fires]
    evidence = evidence_of(*runs, book=Book(timetable={workflow: times}))
    return replace(evidence, fires=fires, fire_events=told)


@pytest.fixture
def ticking() -> Evidence:
    """This will be a schedule that was due three times; at the second its run before was under way."""
    fires = [fire(SKIPPING, 0, run_id=1), fire(SKIPPING, 3, reason="overlap"), fire(SKIPPING, 6, run_id=3)]
    return scheduled(SKIPPING, *fires, until=7)


def test_clean_schedule_breaks_no_law(ticking: Evidence) -> None:
    assert broken(ticking) == set()


def test_due_time_without_a_fire_or_not_settled_is_missed(ticking: Evidence) -> None:
    first, second, third = ticking.fires
    open_one = replace(second, state="due", reason="")

    assert broken(replace(ticking, fires=[first, third])) == {"fires missed"}
    assert "fires missed" in broken(replace(ticking, fires=[first, open_one, third]))
    assert "fires missed" in broken(replace(ticking, fires=[first, second, replace(third, run_id=UUID(int=9))]))


def test_due_time_is_skipped_only_for_a_run_that_is_under_way(ticking: Evidence) -> None:
    early = {key: replace(row, ended_at=at(-190), created_at=at(-191)) for key, row in ticking.runs.items()}

    assert "fires missed" in broken(replace(ticking, runs=early))
    never = scheduled(ALL, fire(ALL, 0, run_id=1), fire(ALL, 1, reason="overlap"), until=1)
    assert broken(never) == {"fires missed"}


def test_fire_that_is_not_due_second_fire_and_second_run_are_doubled(ticking: Evidence) -> None:
    more = fire(SKIPPING, 4, reason="overlap")
    told = FireEventRow(workflow=SKIPPING, due_at=more.due_at, state="skipped")
    first = ticking.runs[UUID(int=1)]
    twin = replace(first, id=UUID(int=7))
    trail = [*ticking.events, *(event(twin.id, kind, **payload) for kind, payload in _story())]
    row = replace(ticking.steps[0], run_id=twin.id)

    assert broken(replace(ticking, fires=[*ticking.fires, more], fire_events=[*ticking.fire_events, told])) == {
        "fires doubled"
    }
    assert "fires doubled" in broken(replace(ticking, fires=[*ticking.fires, ticking.fires[0]]))
    twins = replace(ticking, runs={**ticking.runs, twin.id: twin}, events=trail, steps=[*ticking.steps, row])
    assert broken(twins) == {"fires doubled"}


def test_fire_without_its_event_or_told_twice_is_a_gap(ticking: Evidence) -> None:
    assert broken(replace(ticking, fire_events=ticking.fire_events[1:])) == {"audit gaps: fires"}
    assert broken(replace(ticking, fire_events=[*ticking.fire_events, ticking.fire_events[0]])) == {"audit gaps: fires"}


def test_missed_times_are_made_up_for_as_the_rule_says() -> None:
    late = 70.0
    kept = fire(SKIPPED, 0, run_id=1, late_s=late)
    stood_for = fire(LATEST, 0, reason="misfire", late_s=late)
    latest = fire(LATEST, 90, run_id=2, late_s=late)
    dropped = fire(LATEST, 90, reason="misfire", late_s=late)

    assert broken(scheduled(SKIPPED, fire(SKIPPED, 0, reason="misfire", late_s=late), until=1)) == set()
    assert broken(scheduled(SKIPPED, kept, until=1)) == {"fires missed"}
    assert broken(scheduled(SKIPPED, fire(SKIPPED, 0, reason="misfire"), until=1)) == {"fires missed"}
    assert broken(scheduled(LATEST, replace(stood_for, settled_at=at(95)), latest, until=91)) == set()
    assert broken(scheduled(LATEST, replace(stood_for, settled_at=at(95)), dropped, until=91)) == {"fires missed"}


@pytest.fixture
def hooked() -> Evidence:
    """This will be two webhooks with their events and runs."""
    book = Book(hooks=[Hook(number=number, at=at(number)) for number in (1, 2)])
    runs = [done(number, "chaos-hooked", {"number": number}, began_s=number, ended_s=number + 1) for number in (1, 2)]
    return replace(
        evidence_of(*runs, book=book), hooks=[HookRow(number=number, requests=1, events=1) for number in (1, 2)]
    )


def first_alone(evidence: Evidence) -> Evidence:
    """This will be evidence without the second run."""
    first = UUID(int=1)
    return replace(
        evidence,
        runs={first: evidence.runs[first]},
        steps=[row for row in evidence.steps if row.run_id == first],
        events=[row for row in evidence.events if row.run_id == first],
        ledger=[entry for entry in evidence.ledger if entry.run_id == str(first)],
    )


def test_acknowledged_webhook_without_event_or_run_is_lost(hooked: Evidence) -> None:
    one, _ = hooked.hooks

    assert broken(hooked) == set()
    assert "webhooks lost" in broken(replace(hooked, hooks=[one]))
    assert "webhooks lost" in broken(replace(hooked, hooks=[one, HookRow(number=2, requests=1, events=0)]))
    assert broken(first_alone(hooked)) == {"webhooks lost"}


def test_webhook_that_lay_in_the_broker_alone_when_it_lost_its_data_breaks_a_law_of_its_own(hooked: Evidence) -> None:
    first = replace(first_alone(hooked), hooks=hooked.hooks[:1])

    assert broken(replace(first, wiped_at=[at(5)])) == {"webhooks lost with the broker"}
    assert broken(replace(first, wiped_at=[at(1.5)])) == {"webhooks lost"}
    assert broken(replace(hooked, wiped_at=[at(5)])) == set()


def test_webhook_with_two_events_two_runs_or_a_run_of_nothing_is_doubled(hooked: Evidence) -> None:
    one, two = hooked.hooks
    twice = {key: replace(row, input={"number": 1}, output={"number": 1}) for key, row in hooked.runs.items()}

    assert broken(replace(hooked, hooks=[one, replace(two, events=2)])) == {"webhooks doubled"}
    assert "webhooks doubled" in broken(replace(hooked, runs=twice))
    assert "webhooks doubled" in broken(replace(hooked, hooks=[one], book=Book(hooks=hooked.book.hooks[:1])))


def of_customer(number: int, workflow: str, *, began_s: float, ended_s: float, name: str = "a") -> tuple[RunRow, Entry]:
    """This will be a run of a customer."""
    return done(number, workflow, {"number": number, "customer": name}, began_s=began_s, ended_s=ended_s)


def test_more_runs_of_a_key_than_may_be_are_found() -> None:
    first = of_customer(1, "chaos-queued", began_s=1, ended_s=5)
    second = of_customer(2, "chaos-queued", began_s=2, ended_s=5)
    after = of_customer(3, "chaos-queued", began_s=5, ended_s=6)
    third = of_customer(3, "chaos-queued", began_s=4, ended_s=6)
    other = of_customer(3, "chaos-queued", began_s=4, ended_s=6, name="b")

    assert broken(evidence_of(first, second, after)) == set()
    assert broken(evidence_of(first, second, other)) == set()
    assert broken(evidence_of(first, second, third)) == {"runs beside each other"}


def test_run_that_begins_before_its_turn_is_found() -> None:
    first, second = (of_customer(number, "chaos-throttled", began_s=1, ended_s=2) for number in (1, 2))
    third = of_customer(3, "chaos-throttled", began_s=1.5, ended_s=2)
    early = of_customer(3, "chaos-throttled", began_s=1.3, ended_s=2)

    assert broken(evidence_of(first, second, third)) == set()
    assert broken(evidence_of(first, second, early)) == {"runs too soon"}


def joined(book: Book, run_id: int, number: int, *, value: Mapping[str, JsonValue], at_s: float) -> None:
    """This will note a start that was answered with a run."""
    wanted = Wanted(number=number, workload="any", value=value)
    book.join(UUID(int=run_id), wanted=wanted, key=f"chaos-{number}", sent_at=at_s, answered_at=at_s + 0.5)


def test_start_that_is_not_in_its_batch_or_in_two_is_found() -> None:
    items: list[JsonValue] = [{"number": number, "customer": "a"} for number in (1, 2)]
    book, gone = Book(), Book()
    for number in (1, 2):
        joined(book, 1, number, value={"number": number, "customer": "a"}, at_s=number)
    joined(gone, 1, 3, value={"number": 3, "customer": "a"}, at_s=3)
    batch = done(1, "chaos-batched", {"items": items}, began_s=1, ended_s=2)
    again = done(2, "chaos-batched", {"items": items[:1]}, began_s=1, ended_s=2)
    mixed = done(1, "chaos-batched", {"items": [items[0], {"number": 2, "customer": "b"}]}, began_s=1, ended_s=2)

    assert broken(evidence_of(batch, book=book)) == set()
    assert broken(evidence_of(batch, book=gone)) == {"starts joined wrongly"}
    assert broken(evidence_of(batch, again, book=book)) == {"starts joined wrongly"}
    assert broken(evidence_of(mixed)) == {"starts joined wrongly"}
    assert broken(evidence_of(again, book=book)) == {"starts joined wrongly"}


def test_debounced_run_without_the_latest_input_is_found() -> None:
    book = Book()
    for number in (1, 2):
        joined(book, 1, number, value={"number": number, "customer": "a"}, at_s=number)
    latest = done(1, "chaos-debounced", {"number": 2, "customer": "a"}, began_s=4, ended_s=5)
    earlier = done(1, "chaos-debounced", {"number": 1, "customer": "a"}, began_s=4, ended_s=5)

    assert broken(evidence_of(latest, book=book)) == set()
    assert broken(evidence_of(earlier, book=book)) == {"starts joined wrongly"}


def test_place_at_a_gate_that_an_ended_run_has_kept_is_left_over() -> None:
    evidence = evidence_of(of_customer(1, "chaos-queued", began_s=1, ended_s=5))
    place = PlaceRow(run_id=UUID(int=1), gate="chaos-queued concurrency a", number=1)

    assert broken(replace(evidence, places=[place])) == {"places left over"}


def test_run_is_cancelled_only_for_a_later_one_of_its_key() -> None:
    first, began = of_customer(1, "chaos-latest", began_s=1, ended_s=3)
    second = of_customer(2, "chaos-latest", began_s=3, ended_s=4)
    other = of_customer(2, "chaos-latest", began_s=3, ended_s=4, name="b")
    cancelled = (replace(first, state="cancelled"), began)

    assert "wrong ends" not in broken(evidence_of(cancelled, second))
    assert "wrong ends" in broken(evidence_of(cancelled, other))


def attempt(number: int, *, delay_s: float, ended_s: float, kind: str = "unavailable") -> AttemptRow:
    """This will be a failed attempt of the step."""
    return AttemptRow(
        run_id=UUID(int=1),
        step="work",
        index=None,
        attempt=number,
        kind=kind,
        started_at=at(ended_s - 0.01),
        ended_at=at(ended_s),
        delay_s=delay_s,
    )


def retried(*attempts: AttemptRow, workflow: str = "chaos-retry", began_s: float) -> Evidence:
    """This will be a run whose step failed so, and began its last attempt then."""
    value: JsonValue = {"number": 1, "size": 1, "order_id": "o", "amount": "1.00"}
    found, entry = done(1, workflow, value, began_s=began_s, ended_s=began_s + 1)
    last = replace(entry, attempt=len(attempts) + 1)
    evidence = evidence_of((found, last))
    retrying = [event(found.id, "step.retrying", step="work") for _ in attempts]
    return replace(evidence, attempts=attempts, events=[*evidence.events, *retrying])


def test_retry_before_its_delay_is_over_is_early() -> None:
    first, second = attempt(1, delay_s=0.5, ended_s=1), attempt(2, delay_s=1.5, ended_s=2)

    assert broken(retried(first, second, began_s=3.5)) == set()
    assert broken(retried(first, second, began_s=3.4)) == {"retries early"}
    assert broken(retried(first, attempt(2, delay_s=0.5, ended_s=1.4), began_s=3)) == {"retries early"}


@pytest.mark.parametrize(("number", "longest_s"), [(1, 1.0), (2, 2.0), (3, 3.0), (4, 3.0)])
def test_delay_grows_by_its_factor_up_to_its_cap(number: int, longest_s: float) -> None:
    row = attempt(number, delay_s=longest_s, ended_s=1)

    assert not laws.judge(retried(row, began_s=9))["delays wrong"]
    assert laws.judge(retried(replace(row, delay_s=longest_s + 0.1), began_s=9))["delays wrong"]
    assert laws.judge(retried(replace(row, delay_s=-0.1), began_s=9))["delays wrong"]


def test_delay_that_the_gateway_asked_for_is_not_shortened() -> None:
    short = retried(attempt(1, delay_s=0.2, ended_s=1, kind="throttled"), workflow="chaos-order", began_s=9)
    enough = retried(attempt(1, delay_s=1.0, ended_s=1, kind="throttled"), workflow="chaos-order", began_s=9)

    assert laws.judge(short)["delays wrong"]
    assert not laws.judge(enough)["delays wrong"]


def test_lost_step_goes_on_at_once_where_its_delays_are_fixed() -> None:
    work = replace(STEPS["work"], retry=replace(STEPS["work"].retry, jitter=Jitter.NONE))
    fixed = {1: {"work": work}}
    lost = attempt(1, delay_s=0.0, ended_s=1, kind="lost")

    assert not laws.judge(replace(retried(lost, began_s=1), definitions=fixed))["delays wrong"]
    for other in (replace(lost, delay_s=0.05), replace(lost, kind="unavailable"), replace(lost, index=0)):
        assert laws.judge(replace(retried(other, began_s=2), definitions=fixed))["delays wrong"]
