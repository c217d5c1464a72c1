"""What becomes of attempts without success: delays, dead letters, results that cannot be stored."""

from pathlib import Path

import pytest
from django.test import override_settings

from tests.flows.driving import AT_ONCE, begin, call, finish, let_time_pass, states, trail, work
from tests.flows.ledger import Ledger
from workflows.models import Activation, Attempt, DeadLetter, Run, Step

pytestmark = pytest.mark.usefixtures("database")


def test_step_is_tried_again_until_it_succeeds() -> None:
    run = finish({"ask": call("fail_until", args={"attempt": 3}, retry=AT_ONCE)}, output="${{ steps.ask.output }}")

    attempts = Attempt.objects.filter(run_id=run.id)
    assert (run.state, run.output) == ("succeeded", 3)
    assert Step.objects.get(run_id=run.id).attempts == 3
    assert [(one.attempt, one.kind, one.message, one.evidence, one.delay_s) for one in attempts] == [
        (1, "unavailable", "not yet", {"attempt": 1}, 0.0),
        (2, "unavailable", "not yet", {"attempt": 2}, 0.0),
    ]
    assert trail(run.id) == ["run.started", "step.retrying", "step.retrying", "step.succeeded", "run.succeeded"]


def test_run_says_that_it_waits_for_a_retry_and_nobody_takes_it_before_its_time() -> None:
    run_id = begin(
        {"ask": call("fail_until", args={"attempt": 2}, retry={"first": "60s", "cap": "60s", "jitter": "none"})}
    )

    work(run_id)

    activation = Activation.objects.get(run_id=run_id)
    attempt = Attempt.objects.get(run_id=run_id)
    assert (activation.state, activation.wait_reason, activation.owner) == ("waiting", "retry", "")
    assert activation.attempt == 2
    assert 59 < (activation.due_at - attempt.ended_at).total_seconds() < 61
    let_time_pass(run_id)
    work(run_id)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_throttled_step_waits_as_long_as_it_was_told() -> None:
    run_id = begin({"ask": call("throttle", args={"seconds": 90}, retry={"first": "1s", "cap": "2s"})})

    work(run_id)

    assert Attempt.objects.get(run_id=run_id).delay_s == 90
    assert Activation.objects.get(run_id=run_id).state == "waiting"


def test_step_out_of_attempts_becomes_a_dead_letter_with_payload_and_attempts() -> None:
    run = finish(
        {
            "ask": call("fail_until", args={"attempt": 9}, retry=AT_ONCE),
            "behind": call("noop", needs="ask"),
        }
    )

    letter = DeadLetter.objects.get(run_id=run.id)
    assert (letter.step, letter.index, letter.kind, letter.attempts) == ("ask", None, "unavailable", 3)
    assert letter.payload == {"call": "flows.fail_until", "args": {"attempt": 9}}
    assert letter.state == "open"
    assert [one.attempt for one in Attempt.objects.filter(run_id=run.id)] == [1, 2, 3]
    assert Step.objects.get(run_id=run.id, step="ask").attempts == 3
    assert (run.state, states(run.id)) == ("failed", {"ask": "failed", "behind": "upstream_failed"})
    assert run.error == {"kind": "unavailable", "message": "not yet", "step": "ask"}
    assert trail(run.id)[:3] == ["run.started", "step.retrying", "step.retrying"]
    assert set(trail(run.id)[3:]) == {"step.failed", "dead_letter.created", "step.upstream_failed", "run.failed"}


def test_refused_step_is_never_tried_again() -> None:
    run = finish({"ask": call("fail_on", args={"value": 1, "bad": 1}, retry=AT_ONCE)})

    assert (run.state, DeadLetter.objects.get(run_id=run.id).attempts) == ("failed", 1)
    assert DeadLetter.objects.get(run_id=run.id).kind == "refused"


def test_unknown_error_is_kept_with_its_type() -> None:
    run = finish({"ask": call("sleep", args={"seconds": -1}, retry={"attempts": 1})})

    assert run.error == {
        "kind": "error",
        "message": "ValueError: sleep length must be non-negative",
        "step": "ask",
    }


def test_step_is_ended_at_its_timeout() -> None:
    run = finish({"ask": call("sleep", args={"seconds": 30}, timeout="100ms", retry={"attempts": 1})})

    assert run.error is not None
    assert (run.error["kind"], run.error["message"]) == ("timeout", "did not end within its timeout of 0.1 s")


def test_async_function_does_nothing_more_after_its_timeout(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    late = call("effect_async", args={"ledger": str(ledger.path), "seconds": 0.3}, timeout="100ms")
    first = finish({"late": {**late, "retry": {"attempts": 1}}})

    second = finish({"act": call("effect_async", args={"ledger": str(ledger.path), "seconds": 0.6})})

    assert (first.state, second.state) == ("failed", "succeeded")
    assert DeadLetter.objects.get(run_id=first.id).kind == "timeout"
    assert [entry.run_id for entry in ledger.entries("effect")] == [str(second.id)]


@pytest.mark.parametrize(
    ("function", "words"),
    [("give_object", "not JSON"), ("give_nul", "NUL"), ("give_bytes", "at most 2048 are kept")],
)
def test_output_that_cannot_be_kept_is_refused_with_its_reason(function: str, words: str) -> None:
    args = {"size": 3000} if function == "give_bytes" else {}
    with override_settings(STEP_OUTPUT_MAX_BYTES=2048):
        run = finish({"give": call(function, args=args, retry=AT_ONCE)})

    letter = DeadLetter.objects.get(run_id=run.id)
    assert (letter.kind, letter.attempts) == ("refused", 1)
    assert words in letter.message
    assert Step.objects.get(run_id=run.id).output is None


def test_output_may_hold_the_six_characters_of_an_escaped_nul() -> None:
    run = finish({"give": call("echo", args={"value": "\\u0000 \\\\u0000"})}, output="${{ steps.give.output }}")

    assert (run.state, run.output) == ("succeeded", "\\u0000 \\\\u0000")


@pytest.mark.parametrize("number", [0, 0xD800])
def test_error_whose_text_cannot_be_stored_is_kept_in_a_readable_form(number: int) -> None:
    run = finish({"ask": call("raise_malformed", args={"number": number}, retry=AT_ONCE)})

    assert run.state == "failed"
    assert DeadLetter.objects.get(run_id=run.id).attempts == 3
    assert [one.kind for one in Attempt.objects.filter(run_id=run.id)] == ["error"] * 3
    assert DeadLetter.objects.get(run_id=run.id).message == "Malformed: a\N{REPLACEMENT CHARACTER}b"


def test_evidence_that_cannot_be_stored_is_kept_as_text() -> None:
    run = finish({"ask": call("refuse_malformed")})

    attempt = Attempt.objects.get(run_id=run.id)
    assert (run.state, attempt.kind) == ("failed", "refused")
    assert "object" in str(attempt.evidence)


@pytest.mark.parametrize("attempts", [1, 3])
def test_result_that_cannot_be_stored_touches_no_other_run_of_the_same_wake_up(attempts: int, tmp_path: Path) -> None:
    """Short runs share commits: neighbours keep every step, each done once."""
    ledger = Ledger(tmp_path / "ledger")
    act = call("effect", args={"ledger": str(ledger.path)})
    good = [begin({"one": act, "two": {**act, "needs": "one"}, "three": {**act, "needs": "two"}}) for _ in range(3)]
    retry = {**AT_ONCE, "attempts": attempts}
    bad = begin({"ask": call("raise_malformed", args={"number": 0}, retry=retry), "behind": act})
    worse = begin({"say": {"uses": "set", "with": {"text": "${{ '\\x00' }}"}}, "behind": {**act, "needs": "say"}})

    work(good[0], bad, good[1], worse, good[2], is_patient=False)

    for run_id in good:
        assert states(run_id) == {"one": "succeeded", "two": "succeeded", "three": "succeeded"}
        assert trail(run_id) == ["run.started", *["step.succeeded"] * 3, "run.succeeded"]
        assert [entry.step for entry in ledger.entries("effect", run_id=run_id)] == ["one", "two", "three"]
    assert Run.objects.get(id=bad).state == "failed"
    assert states(worse) == {"say": "failed", "behind": "upstream_failed"}


def test_run_ends_when_its_output_cannot_be_stored() -> None:
    straight = finish({"only": call("noop")}, output={"text": "${{ '\\x00' }}"})
    forked = finish({"a": call("noop"), "b": call("noop")}, output={"text": "${{ '\\x00' }}"})
    mapped = finish({"a": call("noop", for_each=[1, 2])}, output={"text": "${{ '\\x00' }}"})

    assert [run.state for run in (straight, forked, mapped)] == ["failed"] * 3
