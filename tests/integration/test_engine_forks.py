"""Runs of several branches: nothing waits for more than its needs, joins happen once, in any order of events."""

from collections.abc import Mapping
from functools import partial
from uuid import UUID

import pytest

from tests.flows.driving import AT_ONCE, aside, begin, call, claimable, finish, states, trail, work
from workflows import queries
from workflows.core.states import StepState
from workflows.execution import shift
from workflows.models import Activation, Run
from workflows.store import ActivationRef

pytestmark = pytest.mark.usefixtures("database")

BRIDGE = {
    "a": call("noop"),
    "b": call("noop"),
    "c": call("noop", needs="a"),
    "d": call("noop", needs=["a", "b"]),
    "e": call("noop", needs=["c", "d"]),
}
"""Not series-parallel: no chord expresses it."""


def test_fork_and_join_run_every_step_once() -> None:
    run = finish(
        {
            "start": call("noop"),
            "left": call("echo", needs="start", args={"value": 1}),
            "right": call("echo", needs="start", args={"value": 2}),
            "join": call(
                "echo", needs=["left", "right"], args={"value": "${{ [steps.left.output, steps.right.output] }}"}
            ),
        },
        output="${{ steps.join.output }}",
    )

    assert (run.state, run.output) == ("succeeded", [1, 2])
    assert trail(run.id) == ["run.started", *["step.succeeded"] * 4, "run.succeeded"]


def test_graph_that_is_not_series_parallel_runs_every_step_once() -> None:
    run = finish(BRIDGE)

    assert states(run.id) == dict.fromkeys("abcde", "succeeded")
    assert trail(run.id).count("step.succeeded") == 5


def test_step_starts_when_its_own_needs_have_ended_and_waits_for_no_other_branch() -> None:
    """`b` has not begun: `c` needs only `a`, and runs."""
    run_id = begin(BRIDGE)
    only_a = [ref for ref in claimable(run_id) if ref.segment == 0]

    shift.execute(only_a)

    assert states(run_id) == {"a": "succeeded", "c": "succeeded"}
    waiting = Activation.objects.filter(run_id=run_id).values_list("wait_reason", flat=True)
    assert list(waiting) == ["worker"]


def test_join_takes_place_when_a_branch_was_skipped_and_its_rule_allows_it() -> None:
    run = finish(
        {
            "yes": call("noop"),
            "no": call("noop", **{"if": False}),
            "strict": call("noop", needs=["yes", "no"]),
            "lenient": call("noop", needs=["yes", "no"], when="none_failed_min_one_success"),
        }
    )

    assert states(run.id) == {"yes": "succeeded", "no": "skipped", "strict": "skipped", "lenient": "succeeded"}


def test_join_of_one_success_does_not_wait_for_the_other_branch() -> None:
    run_id = begin(
        {
            "quick": call("noop"),
            "slow": call("fail_until", args={"attempt": 2}, retry={"first": "60s", "cap": "60s"}),
            "first": call("noop", needs=["quick", "slow"], when="one_success"),
        }
    )

    work(run_id)

    assert states(run_id) == {"quick": "succeeded", "first": "succeeded"}
    assert Run.objects.get(id=run_id).state == "running"
    work(run_id, is_patient=False)
    assert Run.objects.get(id=run_id).state == "succeeded"


def test_failure_in_one_branch_lets_the_others_end() -> None:
    run = finish(
        {
            "bad": call("fail_on", args={"value": 1, "bad": 1}),
            "good": call("noop"),
            "further": call("noop", needs="good"),
            "join": call("noop", needs=["bad", "further"]),
        }
    )

    assert states(run.id) == {
        "bad": "failed",
        "good": "succeeded",
        "further": "succeeded",
        "join": "upstream_failed",
    }
    assert (run.state, trail(run.id).count("run.failed")) == ("failed", 1)


def test_branch_that_goes_on_while_another_ends_is_not_started_a_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of `short` reads the run while `long` moves from its first step to its second."""
    run_id = begin(
        {
            "short": call("noop"),
            "one": {"uses": "set", "with": {}},
            "two": call("fail_until", needs="one", args={"attempt": 2}, retry={"first": "60s", "cap": "60s"}),
            "three": call("noop", needs="two"),
        }
    )
    short, long = claimable(run_id)
    read = queries.step_states
    interleaved: list[ActivationRef] = []

    def read_and_let_the_other_move(*, run_id: UUID) -> Mapping[str, StepState]:
        found = read(run_id=run_id)
        if not interleaved:
            interleaved.append(long)
            aside(lambda: shift.execute([long])).join(timeout=120)
        return found

    monkeypatch.setattr(queries, "step_states", read_and_let_the_other_move)
    shift.execute([short])

    assert states(run_id) == {"short": "succeeded", "one": "succeeded"}
    assert Activation.objects.filter(run_id=run_id).count() == 1
    work(run_id, is_patient=False)
    assert trail(run_id).count("step.succeeded") == 4


def test_branches_that_end_at_once_join_once() -> None:
    branches = {f"b{number}": call("noop") for number in range(6)}
    ids = [begin({**branches, "join": call("noop", needs=list(branches))}) for _ in range(10)]
    refs = claimable(*ids)

    threads = [aside(partial(shift.execute, [ref])) for ref in refs]
    for thread in threads:
        thread.join(timeout=120)
    work(*ids)  # what a slow machine gave back at the end of its shift

    for run_id in ids:
        assert set(states(run_id).values()) == {"succeeded"}
        assert trail(run_id).count("step.succeeded") == 7
        assert trail(run_id).count("run.succeeded") == 1


def test_steps_behind_a_join_go_on_when_a_branch_needed_several_attempts() -> None:
    run = finish(
        {
            "a": call("fail_until", args={"attempt": 3}, retry=AT_ONCE),
            "b": call("noop", queue="io"),
            "join": call("noop", needs=["a", "b"], queue="bulk"),
        }
    )

    assert run.state == "succeeded"
