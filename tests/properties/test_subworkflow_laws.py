"""The laws of the step `workflow`: one run in a round, none started again that may still be of use, and an end."""

from hypothesis import given
from hypothesis import strategies as st

from workflows.core import subworkflow
from workflows.core.states import RunState
from workflows.core.subworkflow import Child, Mode, Next, ParentEnd

MODES = st.sampled_from(list(Mode))
CHILDREN = st.builds(
    Child,
    state=st.sampled_from(list(RunState)),
    is_of_round=st.booleans(),
    is_same_request=st.booleans(),
    is_going=st.booleans(),
    has_letters=st.booleans(),
)
ENDED = (Next.GIVE, Next.FAIL)


@given(child=CHILDREN, mode=MODES)
def test_a_round_starts_one_run_and_no_other(child: Child, mode: Mode) -> None:
    step = subworkflow.next_of(child, mode=mode)

    assert subworkflow.next_of(None, mode=mode) is Next.START
    assert (step in (Next.START, Next.ADOPT, Next.REVIVE)) == (not child.is_of_round)


@given(child=CHILDREN, mode=MODES)
def test_what_succeeded_or_still_may_is_not_done_again(child: Child, mode: Mode) -> None:
    is_wanted = child.is_same_request and child.state in (RunState.SUCCEEDED, RunState.RUNNING)
    may_go_on = child.state is RunState.SUCCEEDED or child.is_going

    if is_wanted and may_go_on:
        assert subworkflow.next_of(child, mode=mode) is not Next.START


@given(child=CHILDREN, mode=MODES)
def test_the_step_ends_when_its_run_has(child: Child, mode: Mode) -> None:
    of_round = Child(state=child.state, is_of_round=True, is_same_request=child.is_same_request)
    step = subworkflow.next_of(of_round, mode=mode)

    assert (step is Next.WAIT) == (mode is Mode.WAIT and not child.state.is_ended)
    if mode is Mode.WAIT and step in ENDED:
        assert (step is Next.GIVE) == (child.state is RunState.SUCCEEDED)


@given(name=st.text(min_size=1, max_size=5), mode=MODES, end=st.sampled_from([None, *ParentEnd]))
def test_what_is_written_is_what_is_read(name: str, mode: Mode, end: ParentEnd | None) -> None:
    written = {"name": name, "mode": mode.value, **({} if end is None else {"on_parent_end": end.value})}
    standard = ParentEnd.CANCEL if mode is Mode.WAIT else ParentEnd.ABANDON

    assert subworkflow.read(written).on_parent_end is (end or standard)


@given(
    parent=st.sampled_from(list(RunState)), is_ending=st.booleans(), has_ended=st.booleans(), has_letter=st.booleans()
)
def test_a_retry_is_tied_only_to_a_step_that_can_still_use_its_result(
    parent: RunState, is_ending: bool, has_ended: bool, has_letter: bool
) -> None:
    is_wanted = subworkflow.is_retry_wanted(parent, is_ending=is_ending, has_ended=has_ended, has_letter=has_letter)
    is_waiting = parent is RunState.RUNNING and not is_ending and not has_ended
    can_come_back = has_letter and (parent is RunState.FAILED or (parent is RunState.RUNNING and not is_ending))

    assert is_wanted == (is_waiting or can_come_back)
