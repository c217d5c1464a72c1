"""Each law of the chaos suite finds what breaks it, planted in evidence that is otherwise clean."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.chaos import laws
from tests.chaos.book import Book, Wanted
from tests.chaos.evidence import (
    ActivationRow,
    AttemptRow,
    Charge,
    EventRow,
    Evidence,
    FanoutRow,
    ItemRow,
    LetterRow,
    RunRow,
    SlotRow,
    StepRow,
)
from tests.chaos.workloads import BY_NAME
from tests.flows.ledger import Entry
from workflows.core.definition import JsonValue, RetryPolicy, StepDefinition
from workflows.core.identity import idempotency_key
from workflows.core.states import Phase
from workflows.core.tolerance import Tolerance

START = datetime(2026, 1, 1, tzinfo=UTC)
RUN, ORDER, GHOST = UUID(int=1), UUID(int=2), UUID(int=9)
ITEMS = [5, 7]
STEPS = {
    "map": StepDefinition(id="map", uses="python", for_each="input.items"),
    "join": StepDefinition(id="join", uses="python", needs=("map",)),
}
ORDER_STEPS = {
    "charge": StepDefinition(id="charge", uses="http.request", retry=RetryPolicy(attempts=3)),
    "receipt": StepDefinition(id="receipt", uses="python", needs=("charge",)),
}


def at(seconds: float) -> datetime:
    """This will be an instant so long after the start."""
    return START + timedelta(seconds=seconds)


def run(run_id: UUID, workflow: str, *, version: int, value: JsonValue, output: JsonValue) -> RunRow:
    """This will be a succeeded run."""
    return RunRow(
        id=run_id,
        workflow_name=workflow,
        version_id=version,
        state="succeeded",
        round=0,
        input=value,
        output=output,
        started_by="token:chaos",
        created_at=at(0),
        ended_at=at(9),
    )


def step(run_id: UUID, name: str, *, since: float, until: float) -> StepRow:
    """This will be a succeeded step."""
    return StepRow(run_id=run_id, step=name, state="succeeded", attempts=1, started_at=at(since), ended_at=at(until))


def item(index: int) -> ItemRow:
    """This will be a succeeded item of the map."""
    return ItemRow(run_id=RUN, step="map", index=index, state="succeeded", slot=None, due_at=None, ended_at=at(2))


def event(run_id: UUID, kind: str, *, number: int = 1, **payload: JsonValue) -> EventRow:
    """This will be a genuine event."""
    return EventRow(id=number, run_id=run_id, kind=kind, at=at(3), payload=payload, is_genuine=True)


def begin(run_id: UUID, name: str, *, seconds: float, index: int | None = None) -> Entry:
    """This will be the beginning of a step or item in the outside ledger."""
    return Entry(
        event="begin",
        key=idempotency_key(run=run_id, step=name, index=index),
        run_id=str(run_id),
        step=name,
        attempt=1,
        note="",
        pid=1,
        at=at(seconds).timestamp(),
    )


def letter(*, attempts: int) -> LetterRow:
    """This will be a dead letter of the charge."""
    return LetterRow(id=4, run_id=ORDER, step="charge", index=None, kind="unknown", attempts=attempts, state="open")


ITEM_INPUT: JsonValue = {"number": 1, "items": [5, 7]}
ORDER_INPUT: JsonValue = {"number": 2, "order_id": "order-2", "amount": "3.50"}


@pytest.fixture
def clean() -> Evidence:
    """This will be evidence without any breach: a map with its join, and an order with its charge."""
    book = Book()
    book.acknowledge(RUN, wanted=Wanted(number=1, workload="chaos-items", value=ITEM_INPUT))
    book.acknowledge(ORDER, wanted=Wanted(number=2, workload="chaos-order", value=ORDER_INPUT), key="chaos-2")
    items_output: JsonValue = {"items": [5, 7], "size": 2}
    order_output: JsonValue = {"paid": "3.50", "order_id": "order-2"}
    return Evidence(
        book=book,
        workloads=BY_NAME,
        runs={
            RUN: run(RUN, "chaos-items", version=1, value=ITEM_INPUT, output=items_output),
            ORDER: run(ORDER, "chaos-order", version=2, value=ORDER_INPUT, output=order_output),
        },
        definitions={1: STEPS, 2: ORDER_STEPS},
        steps=[
            step(RUN, "map", since=1, until=2),
            step(RUN, "join", since=2, until=3),
            step(ORDER, "charge", since=1, until=2),
            step(ORDER, "receipt", since=2, until=3),
        ],
        fanouts=[FanoutRow(run_id=RUN, step="map", total=2, next_index=2)],
        items=[item(0), item(1)],
        events=[
            event(RUN, "run.started"),
            event(RUN, "items.succeeded", step="map", indexes=[0, 1]),
            event(RUN, "step.succeeded", step="map"),
            event(RUN, "step.succeeded", step="join"),
            event(RUN, "run.succeeded"),
            event(ORDER, "run.started"),
            event(ORDER, "step.succeeded", step="charge"),
            event(ORDER, "step.succeeded", step="receipt"),
            event(ORDER, "run.succeeded"),
        ],
        ledger=[begin(RUN, "map", index=0, seconds=1), begin(RUN, "join", seconds=2.5)],
        charges=[Charge(order_id="order-2", amount_cents=350)],
        looks=1,
    )


def broken(evidence: Evidence) -> set[str]:
    """This will name the laws that are broken."""
    return {law for law, breaches in laws.judge(evidence).items() if breaches}


def test_clean_evidence_breaks_no_law(clean: Evidence) -> None:
    assert broken(clean) == set()


def plants() -> Iterator[tuple[str, dict[str, object]]]:
    """This will give fields of evidence that break one law, each with the law's name."""
    yield "runs lost", {"runs": {}, "steps": (), "fanouts": (), "items": (), "events": (), "charges": (), "ledger": ()}
    yield "rolled-back starts present", {"business_rows": frozenset({GHOST})}
    yield "waits without a name", {"unnamed_waits": [(RUN, "has no activation")]}
    yield "waits without a name", {"looks": 0}
    yield (
        "leases left over",
        {
            "activations": [
                ActivationRow(
                    run_id=RUN, segment=0, slot=0, state="leased", wait_reason="running", owner="w", overdue_s=0.0
                )
            ]
        },
    )
    yield "slots leaked", {"items": [replace(item(0), slot=1), item(1)]}
    yield "slots leaked", {"slots": [SlotRow(limit="chaos-legacy-db", number=1, holder=7)]}
    yield "effects doubled", {"charges": [Charge(order_id="order-2", amount_cents=350)] * 2}
    yield "effects missing", {"charges": ()}
    yield "effects missing", {"charges": [Charge(order_id="order-2", amount_cents=351)]}
    yield "executed after completion", {"ledger": [begin(RUN, "join", seconds=3.1)]}
    yield "executed after completion", {"ledger": [begin(RUN, "map", index=1, seconds=2.1)]}
    yield "repeats unexplained", {"ledger": [begin(RUN, "join", seconds=2.1), begin(RUN, "join", seconds=2.2)]}
    yield "joins early", {"ledger": [begin(RUN, "join", seconds=1.9)]}
    yield (
        "audit gaps: attempts",
        {"attempts": [AttemptRow(run_id=ORDER, step="charge", index=None, kind="lost", delay_s=0.0)]},
    )


@pytest.mark.parametrize(("law", "fields"), list(plants()), ids=lambda value: value if isinstance(value, str) else "")
def test_law_finds_what_breaks_it(clean: Evidence, law: str, fields: dict[str, object]) -> None:
    assert broken(replace(clean, **fields)) == {law}  # type: ignore[arg-type]  # fields by name


def without(clean: Evidence, kind: str) -> list[EventRow]:
    """This will be the trail without one event of a kind."""
    missing = next(event for event in clean.events if event.kind == kind)
    return [event for event in clean.events if event is not missing]


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        ("run.started", "audit gaps: runs"),
        ("run.succeeded", "audit gaps: runs"),
        ("step.succeeded", "audit gaps: steps"),
        ("items.succeeded", "audit gaps: items"),
    ],
)
def test_missing_event_and_doubled_event_are_gaps(clean: Evidence, kind: str, law: str) -> None:
    doubled = [event for event in clean.events if event.kind == kind][:1]

    assert broken(replace(clean, events=without(clean, kind))) == {law}
    assert broken(replace(clean, events=[*clean.events, *doubled])) == {law}


def test_results_that_a_retry_has_taken_over_are_told_as_that(clean: Evidence) -> None:
    missing = [one for one in clean.events if one.kind != "items.succeeded" and one.payload.get("step") != "map"]
    carried = event(RUN, "steps.carried", steps=["map"])

    assert broken(replace(clean, events=missing)) == {"audit gaps: items", "audit gaps: steps"}
    assert broken(replace(clean, events=[*missing, carried])) == set()


def test_forged_event_is_found(clean: Evidence) -> None:
    forged = [replace(clean.events[0], is_genuine=False), *clean.events[1:]]

    assert broken(replace(clean, events=forged)) == {"audit events forged"}


def test_run_that_has_not_ended_is_stuck(clean: Evidence) -> None:
    stuck = replace(clean.runs[ORDER], state="running", ended_at=None)

    assert broken(replace(clean, runs={**clean.runs, ORDER: stuck})) == {"runs stuck"}


def test_wrong_result_wrong_state_and_missing_step_are_wrong_ends(clean: Evidence) -> None:
    wrong = replace(clean.runs[RUN], output={"items": [7, 5], "size": 2})
    cancelled = replace(clean.runs[ORDER], state="cancelled")
    steps = [row for row in clean.steps if row.step != "receipt"]

    assert broken(replace(clean, runs={**clean.runs, RUN: wrong})) == {"wrong ends"}
    assert "wrong ends" in broken(replace(clean, runs={**clean.runs, ORDER: cancelled}))
    assert "wrong ends" in broken(replace(clean, steps=steps))


def test_map_without_one_of_its_items_is_incomplete(clean: Evidence) -> None:
    assert "items incomplete" in broken(replace(clean, items=[item(0)]))
    assert "items incomplete" in broken(replace(clean, items=[item(0), replace(item(1), state="waiting")]))


def test_map_ends_as_its_items_and_its_tolerance_say(clean: Evidence) -> None:
    items = [item(0), replace(item(1), state="failed")]
    tolerant = {**STEPS, "map": replace(STEPS["map"], on_failure=Tolerance())}
    strict = {**STEPS, "map": replace(STEPS["map"], on_failure=Tolerance(count=0))}

    assert "items incomplete" in broken(replace(clean, items=items))
    assert "items incomplete" in broken(replace(clean, items=items, definitions={1: strict, 2: ORDER_STEPS}))
    assert "items incomplete" not in broken(replace(clean, items=items, definitions={1: tolerant, 2: ORDER_STEPS}))


def test_what_a_map_tolerates_leaves_no_dead_letter_and_what_fails_leaves_one(clean: Evidence) -> None:
    tolerant = {**STEPS, "map": replace(STEPS["map"], on_failure=Tolerance())}
    failure = event(RUN, "item.failed", step="map", index=1)
    evidence = replace(clean, events=[*clean.events, failure])
    failed = [replace(row, state="failed") if row.step == "map" else row for row in clean.steps]

    assert broken(evidence) == {"audit gaps: dead letters"}
    assert broken(replace(evidence, definitions={1: tolerant, 2: ORDER_STEPS})) == set()
    assert "failures untold" in broken(replace(clean, steps=failed))


def test_dead_letter_without_its_events_is_a_gap_and_one_before_its_attempts_are_used_up_is_unexplained(
    clean: Evidence,
) -> None:
    used_up, early = (replace(clean, letters=[letter(attempts=attempts)]) for attempts in (3, 2))

    assert broken(used_up) == {"audit gaps: dead letters"}
    assert broken(early) == {"audit gaps: dead letters", "dead letters unexplained"}


def test_what_clients_were_told_must_hold(clean: Evidence) -> None:
    clean.book.withdraw(RUN)
    clean.book.cancel(ORDER)
    clean.book.acknowledge(GHOST, wanted=Wanted(number=2, workload="chaos-order", value=ORDER_INPUT), key="chaos-2")

    assert broken(clean) == {
        "rolled-back starts present",
        "cancellations forgotten",
        "surprising answers",
        "runs lost",
    }


SAGA = UUID(int=3)
SAGA_STEPS = {
    "first": StepDefinition(id="first", uses="python"),
    "second": StepDefinition(id="second", uses="python", needs=("first",)),
    "first:undo": StepDefinition(id="first:undo", uses="python", phase=Phase.UNDO, undoes="first"),
    "second:undo": StepDefinition(id="second:undo", uses="python", phase=Phase.UNDO, undoes="second"),
    "tidy": StepDefinition(id="tidy", uses="python", phase=Phase.FINALLY),
}


def saga(*rows: StepRow) -> Evidence:
    """This will be a cancelled run with these steps, and nothing else."""
    found = run(SAGA, "chaos-saga", version=3, value={"number": 3}, output=None)
    book = Book(cancel_wanted={SAGA})
    events = [event(SAGA, "run.started"), *(event(SAGA, "step.succeeded", step=row.step) for row in rows)]
    return Evidence(
        book=book,
        workloads=BY_NAME,
        runs={SAGA: replace(found, state="cancelled")},
        definitions={3: SAGA_STEPS},
        steps=rows,
        events=[*events, event(SAGA, "run.cancelled")],
        looks=1,
    )


def test_what_was_done_must_be_undone_in_reverse_order_and_tidied_up() -> None:
    done = [step(SAGA, "first", since=1, until=2), step(SAGA, "second", since=2, until=3)]
    undone = [step(SAGA, "second:undo", since=4, until=5), step(SAGA, "first:undo", since=5, until=6)]
    wrong = [step(SAGA, "first:undo", since=4, until=5), step(SAGA, "second:undo", since=5, until=6)]
    tidy = step(SAGA, "tidy", since=7, until=8)

    assert broken(saga(*done, *undone, tidy)) == set()
    assert broken(saga(*done, *undone)) == {"finally missing"}
    assert broken(saga(*done, undone[0], tidy)) == {"undone wrongly"}
    assert broken(saga(done[0], *undone, tidy)) == {"undone wrongly"}
    assert broken(saga(*done, *wrong, tidy)) == {"undone wrongly"}


def test_timer_must_not_end_before_its_time() -> None:
    waited = step(SAGA, "pause", since=1, until=2.4)
    timer = {"pause": StepDefinition(id="pause", uses="wait", inputs={"for": "1500ms"})}
    shorter = {"pause": StepDefinition(id="pause", uses="wait", inputs={"for": "1300ms"})}
    met = {"pause": StepDefinition(id="pause", uses="wait", inputs={"for": "1500ms", "event": {"type": "paid"}})}
    evidence = replace(saga(waited), definitions={3: timer})
    by_hand = [*evidence.events, event(SAGA, "result.set", step="pause")]

    assert broken(evidence) == {"timers early"}
    assert broken(replace(evidence, definitions={3: shorter})) == set()
    assert broken(replace(evidence, definitions={3: met})) == set()
    assert broken(replace(evidence, events=by_hand)) == set()


def test_what_is_not_undone_was_not_to_be_or_has_a_dead_letter() -> None:
    first, tidy = step(SAGA, "first", since=1, until=2), step(SAGA, "tidy", since=7, until=8)
    evidence = saga(first, tidy)
    on_purpose = {SAGA: replace(evidence.runs[SAGA], is_undoing=False)}
    failed = LetterRow(id=5, run_id=SAGA, step="first:undo", index=None, kind="refused", attempts=1, state="open")

    assert broken(evidence) == {"undone wrongly"}
    assert broken(replace(evidence, runs=on_purpose)) == set()
    assert "undone wrongly" not in broken(replace(evidence, letters=[failed]))


def test_more_attempts_at_work_than_slots_exceed_the_limit() -> None:
    steps = {name: StepDefinition(id=name, uses="python", limits=("chaos-legacy-db",)) for name in ("a", "b", "c")}
    ends = [step(SAGA, name, since=0, until=9) for name in steps]
    begun = [begin(SAGA, name, seconds=1 + number / 10) for number, name in enumerate(steps)]
    ended = [replace(entry, event="effect", at=entry.at + 0.5) for entry in begun]
    quick = [replace(entry, event="effect", at=entry.at + 0.05) for entry in begun]
    evidence = replace(saga(*ends), definitions={3: steps}, capacities={"chaos-legacy-db": 2})

    assert broken(replace(evidence, ledger=[*begun, *quick])) == set()
    assert broken(replace(evidence, ledger=[*begun, *ended])) == {"limits exceeded"}
