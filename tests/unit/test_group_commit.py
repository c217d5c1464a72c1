"""Which cursor goes on behind which result, when several results are committed together."""

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from workflows.execution.group_commit import shared_out
from workflows.execution.settlement import Ended


def cursor(run: int) -> Any:  # Any: only the run of a cursor matters here
    """This will stand for a cursor of a run."""
    return SimpleNamespace(claim=SimpleNamespace(run_id=run))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["stays", "follows", "ends"])), max_size=12))
def test_each_cursor_that_goes_on_is_given_once_to_a_result_of_its_run(plan: list[tuple[int, str]]) -> None:
    ended = [cursor(run) for run, _ in plan]
    results = [cast(Ended, SimpleNamespace(cursor=one)) for one in ended]
    stays = [one for one, (_, how) in zip(ended, plan, strict=True) if how == "stays"]
    follows = [cursor(run) for run, how in plan if how == "follows"]

    shares = shared_out(results, going=[*follows, *stays])

    given_out = [one for share in shares for one in share]
    assert sorted(map(id, given_out)) == sorted(map(id, [*stays, *follows]))
    assert all(len(share) <= 1 for share in shares)
    for one, share in zip(ended, shares, strict=True):
        assert all(behind.claim.run_id == one.claim.run_id for behind in share)
    kept = set(map(id, stays))
    assert all(share[0] is one for one, share in zip(ended, shares, strict=True) if id(one) in kept)
