"""Laws of retries: what is executed again is closed behind itself, and nothing with a result is lost or doubled."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.definition import Definition, RetryPolicy, StepDefinition
from workflows.core.plan import Plan, compile_plan
from workflows.core.retry_plan import RetryFrom, plan_retry
from workflows.core.states import StepState

_STATES = st.sampled_from([*StepState, None])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """This will draw a graph of up to six steps."""
    number = draw(st.integers(1, 6))
    steps = [
        StepDefinition(
            id=f"s{index}",
            uses="set",
            needs=tuple(f"s{need}" for need in range(index) if draw(st.booleans())),
        )
        for index in range(number)
    ]
    return compile_plan(Definition(name="w", steps=tuple(steps)))


@st.composite
def retries(draw: st.DrawFn) -> tuple[Plan, dict[str, StepState], set[str], RetryFrom, str]:
    """This will draw a plan, how its steps ended, which were undone, and where a retry begins."""
    plan = draw(plans())
    past = {step: state for step in plan.main if (state := draw(_STATES)) is not None}
    undone = {step for step in plan.main if draw(st.integers(0, 4)) == 0}
    start = draw(st.sampled_from(RetryFrom))
    return plan, past, undone, start, draw(st.sampled_from(plan.main)) if start is RetryFrom.STEP else ""


@given(drawn=retries())
def test_every_step_is_either_reused_or_executed(
    drawn: tuple[Plan, dict[str, StepState], set[str], RetryFrom, str],
) -> None:
    plan, past, undone, start, step = drawn

    found = plan_retry(plan, plan, past=past, undone=undone, start=start, step=step)

    assert sorted([*found.reused, *found.executed]) == sorted(plan.main)
    assert all(past[name] in (StepState.SUCCEEDED, StepState.SKIPPED) for name in found.reused)
    assert not set(found.reused) & undone
    assert not step or found.executed[step] == "chosen"


@given(drawn=retries())
def test_whatever_comes_after_an_executed_step_is_executed(
    drawn: tuple[Plan, dict[str, StepState], set[str], RetryFrom, str],
) -> None:
    plan, past, undone, start, step = drawn

    found = plan_retry(plan, plan, past=past, undone=undone, start=start, step=step)

    assert all(not plan.graph.upstream(name) & set(found.executed) for name in found.reused)
    assert start is not RetryFrom.START or not found.reused


@given(drawn=retries())
def test_nothing_is_executed_without_a_reason(
    drawn: tuple[Plan, dict[str, StepState], set[str], RetryFrom, str],
) -> None:
    plan, past, undone, start, step = drawn

    found = plan_retry(plan, plan, past=past, undone=undone, start=start, step=step)

    if start is RetryFrom.START:
        return
    roots = {name for name, why in found.executed.items() if not why.startswith("behind ")}
    assert roots <= {name for name in plan.main if name in undone or past.get(name) not in _RESULTS or name == step}
    assert all(
        why.removeprefix("behind ") in found.executed for name, why in found.executed.items() if name not in roots
    )


_RESULTS = (StepState.SUCCEEDED, StepState.SKIPPED)


@given(drawn=retries(), number=st.integers(0, 5))
def test_a_result_is_not_reused_for_a_step_that_means_something_else(
    drawn: tuple[Plan, dict[str, StepState], set[str], RetryFrom, str], number: int
) -> None:
    plan, past, undone, start, step = drawn
    other = plan.main[number % len(plan.main)]
    changed = _with(plan, other, inputs={"new": 1})
    carried = _with(plan, other, queue="bulk", retry=RetryPolicy(attempts=1), timeout_s=1.0)

    same = plan_retry(plan, carried, past=past, undone=undone, start=start, step=step)
    found = plan_retry(plan, changed, past=past, undone=undone, start=start, step=step)

    assert not [problem for problem in same.hindrances if problem.path != "$.steps"]
    assert (other in found.reused) == (f"$.steps.{other}.with" in {problem.path for problem in found.hindrances})


def _with(plan: Plan, step: str, **changes: object) -> Plan:
    steps = tuple(
        replace(one, **changes) if one.id == step else one  # type: ignore[arg-type]  # fields by name
        for one in plan.definition.steps
    )
    return compile_plan(replace(plan.definition, steps=steps))
