"""Runs of one branch: what is stored for each step, what is decided without running, what comes out."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest

from audit.events import Actor, ActorKind, Event, EventKind, encode
from tests.flows.driving import begin, call, claimable, finish, publish, start, states, trail, trail_of, work
from workflows import store
from workflows.core.identity import idempotency_key
from workflows.models import Activation, Run, Step
from workflows.store import AdvanceRow, Claim, EventRow, StepRow

pytestmark = pytest.mark.usefixtures("database")


def test_run_stores_each_step_and_ends_with_its_output() -> None:
    run = finish(
        {
            "double": {"uses": "set", "with": {"amount": "${{ input.amount * 2 }}"}},
            "echo": call("echo", needs="double", args={"value": "${{ steps.double.output.amount }}"}),
        },
        value={"amount": 21},
        output={"result": "${{ steps.echo.output }}"},
    )

    rows = Step.objects.filter(run_id=run.id).order_by("ended_at")
    assert [(row.step, row.state, row.output, row.attempts) for row in rows] == [
        ("double", "succeeded", {"amount": 42}, 1),
        ("echo", "succeeded", 42, 1),
    ]
    assert (run.state, run.output, run.error) == ("succeeded", {"result": 42}, None)
    assert run.ended_at is not None
    assert not Activation.objects.filter(run_id=run.id).exists()


def test_run_is_audited_once_for_its_start_each_step_and_its_end() -> None:
    run = finish({"first": call("noop"), "second": call("noop", needs="first")})

    assert trail(run.id) == ["run.started", "step.succeeded", "step.succeeded", "run.succeeded"]
    assert [event["step"] for event in trail_of(run.id, "step.succeeded")] == ["first", "second"]


@pytest.mark.parametrize("text", [None, "null", '"paid"', '{"amounts": [1, null]}'])
def test_step_leaves_the_same_rows_alone_and_together_with_others(text: str | None) -> None:
    workflow = publish({"a": call("noop"), "b": call("noop", needs="a")})
    runs = [start(workflow) for _ in range(3)]
    alone, *others = store.claim(refs=claimable(*runs), owner="me", lease_s=60)

    moved = [end_first_step(claims, text=text) for claims in ([alone], others)]

    assert moved == [{alone.id}, {claim.id for claim in others}]
    columns = ("step", "state", "output", "error", "attempts", "started_at", "ended_at")
    rows = list(Step.objects.filter(run_id__in=runs).order_by("run_id").values_list(*columns))
    assert [repr(row) for row in rows] == [repr(rows[0])] * 3
    assert {*Activation.objects.filter(run_id__in=runs).values_list("position", "attempt")} == {(1, 1)}
    assert {tuple(trail(run)) for run in runs} == {("run.started", "step.succeeded")}


def test_step_leaves_nothing_when_its_lease_is_lost() -> None:
    run_id = begin({"a": call("noop"), "b": call("noop", needs="a")})
    [claim] = store.claim(refs=claimable(run_id), owner="me", lease_s=60)

    moved = end_first_step([replace(claim, epoch=claim.epoch - 1)], text=None)

    assert moved == set()
    assert not Step.objects.filter(run_id=run_id).exists()
    assert trail(run_id) == ["run.started"]


def end_first_step(claims: Sequence[Claim], *, text: str | None) -> frozenset[int]:
    """This will end the first step of these activations in one statement, and give those that have moved."""
    at = "2026-01-01T00:00:00+00:00"
    events: list[EventRow] = []
    steps: list[StepRow] = []
    for claim in claims:
        run = str(claim.run_id)
        event = Event(
            kind=EventKind.STEP_SUCCEEDED,
            actor=Actor(kind=ActorKind.ENGINE),
            subject_type="run",
            subject_id=run,
            correlation_id=run,
            at=datetime.fromisoformat(at),
            payload={"step": "a"},
        )
        events.append({"id": claim.id, "event": encode(event)})
        step: StepRow = {
            "id": claim.id,
            "step": "a",
            "state": "succeeded",
            "output": None if text is None else store.fragment(text),
            "error": None,
            "attempts": 1,
            "started_at": at,
            "ended_at": at,
        }
        steps.append(step)
    moves: list[AdvanceRow] = [{"id": claim.id, "epoch": claim.epoch, "position": 1} for claim in claims]
    return store.advance(moves=moves, steps=steps, events=events)[0]


def test_step_is_told_who_it_serves() -> None:
    run = finish({"ask": call("told", timeout="7s")}, output="${{ steps.ask.output }}")

    assert run.output == {
        "key": idempotency_key(run=run.id, step="ask", index=None),
        "attempt": 1,
        "step": "ask",
        "run_id": str(run.id),
        "correlation_id": str(run.id),
        "timeout_s": 7.0,
    }


def test_step_is_skipped_with_everything_behind_it_when_its_condition_is_false() -> None:
    run = finish(
        {
            "first": call("noop"),
            "paid": call("noop", needs="first", **{"if": "${{ input.total > 0 }}"}),
            "receipt": call("noop", needs="paid"),
            "report": call("noop", needs="receipt", when="all_done"),
        },
        value={"total": 0},
    )

    assert states(run.id) == {
        "first": "succeeded",
        "paid": "skipped",
        "receipt": "skipped",
        "report": "succeeded",
    }
    assert run.state == "succeeded"
    assert sorted(trail(run.id)) == sorted(
        ["run.started", "step.succeeded", "step.skipped", "step.skipped", "step.succeeded", "run.succeeded"]
    )


def test_run_without_any_step_to_do_succeeds_when_all_are_skipped() -> None:
    run = finish({"never": call("noop", **{"if": False}), "behind": call("noop", needs="never")})

    assert states(run.id) == {"never": "skipped", "behind": "skipped"}
    assert (run.state, run.output) == ("succeeded", None)


@pytest.mark.parametrize(
    ("when", "state"),
    [
        ("all_success", "upstream_failed"),
        ("none_failed", "upstream_failed"),
        ("all_done", "succeeded"),
        ("one_failed", "succeeded"),
        ("all_failed", "succeeded"),
        ("all_skipped", "skipped"),
    ],
)
def test_step_behind_a_failure_is_decided_by_its_join_rule(when: str, state: str) -> None:
    run = finish(
        {
            "bad": call("fail_on", args={"value": 1, "bad": 1}),
            "behind": call("noop", needs="bad", when=when),
        }
    )

    assert states(run.id) == {"bad": "failed", "behind": state}
    assert run.state == "failed"
    assert run.error == {"kind": "refused", "message": "1 is not wanted", "step": "bad"}


def test_expression_sees_the_state_and_error_of_a_failed_step() -> None:
    run = finish(
        {
            "bad": call("fail_on", args={"value": 1, "bad": 1}),
            "note": {"uses": "set", "needs": "bad", "when": "all_done", "with": {"was": "${{ steps.bad.state }}"}},
        }
    )

    assert Step.objects.get(run_id=run.id, step="note").output == {"was": "failed"}


def test_step_is_refused_when_its_inputs_cannot_be_evaluated() -> None:
    run = finish({"ask": call("echo", args={"value": "${{ input.missing }}"})}, value={})

    assert states(run.id) == {"ask": "failed"}
    assert run.error is not None
    assert run.error["kind"] == "refused"
    assert "missing" in run.error["message"]


def test_run_fails_when_its_output_cannot_be_evaluated() -> None:
    run = finish({"ask": call("echo", args={"value": 1})}, output={"it": "${{ steps.ask.output.missing }}"})

    assert states(run.id) == {"ask": "succeeded"}
    assert (run.state, run.output) == ("failed", None)
    assert run.error is not None
    assert run.error["message"].startswith("output: ")
    assert trail(run.id)[-2:] == ["run.failed", "dead_letter.created"]


def test_async_function_runs_to_its_end(tmp_path_factory: pytest.TempPathFactory) -> None:
    ledger = str(tmp_path_factory.mktemp("ledger") / "ledger")
    run = finish({"act": call("effect_async", args={"ledger": ledger})}, output="${{ steps.act.output }}")

    assert run.output == idempotency_key(run=run.id, step="act", index=None)


def test_many_runs_that_are_woken_together_each_keep_their_own_values() -> None:
    ids: list[UUID] = [
        begin({"echo": call("echo", args={"value": "${{ input }}"})}, value=number, output="${{ steps.echo.output }}")
        for number in range(5)
    ]

    work(*ids)

    assert [Run.objects.get(id=run_id).output for run_id in ids] == [0, 1, 2, 3, 4]


def test_worker_gives_a_long_segment_back_and_goes_on_with_it_later() -> None:
    steps = {
        f"s{number}": call("sleep", args={"seconds": 0.4}, **({"needs": f"s{number - 1}"} if number else {}))
        for number in range(4)
    }
    run_id = begin(steps)

    work(run_id)

    assert set(states(run_id).values()) == {"succeeded"}
    assert Run.objects.get(id=run_id).state == "succeeded"
    assert trail(run_id).count("step.succeeded") == 4
