"""Laws of pauses: what one covers, for every step and every set of pauses."""

from datetime import UTC, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st

from workflows.core.pausing import PauseRule, PauseScope, Standpoint, covers, find_cover

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = st.sampled_from(["a", "b"])
instants = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def rules(draw: st.DrawFn) -> PauseRule:
    """Any pause."""
    scope = draw(st.sampled_from(PauseScope))
    return PauseRule(
        scope=scope,
        name="" if scope is PauseScope.PLATFORM else draw(NAMES),
        reason="r",
        paused_by="user:1",
        paused_at=draw(instants),
        starts_only=draw(st.booleans()),
    )


standpoints = st.builds(
    Standpoint,
    run_id=NAMES,
    workflow=NAMES,
    lane=NAMES,
    connection=st.none() | NAMES,
    created_at=instants,
)


@given(st.lists(rules()), standpoints)
def test_step_is_kept_exactly_when_some_pause_covers_it(found: list[PauseRule], at: Standpoint) -> None:
    cover = find_cover(found, at=at)

    assert (cover is not None) == any(covers(rule, at=at) for rule in found)
    assert cover is None or (cover in found and covers(cover, at=at))


STANDPOINT = Standpoint(run_id="a", workflow="a", lane="a", connection=None, created_at=NOW)
ALIKE = [
    PauseRule(scope=PauseScope.RUN, name="a", reason="r", paused_by="user:1", paused_at=NOW, starts_only=starts_only)
    for starts_only in (True, False)
]


@given(st.lists(rules()), standpoints)
@example(ALIKE, STANDPOINT)
def test_order_of_pauses_does_not_matter(found: list[PauseRule], at: Standpoint) -> None:
    assert find_cover(found, at=at) == find_cover(list(reversed(found)), at=at)


@given(rules(), standpoints)
def test_pause_of_new_runs_covers_no_more_than_a_pause_of_all(rule: PauseRule, at: Standpoint) -> None:
    everything = PauseRule(
        scope=rule.scope, name=rule.name, reason="r", paused_by="user:1", paused_at=rule.paused_at, starts_only=False
    )

    assert covers(everything, at=at) or not covers(rule, at=at)
    if rule.starts_only and at.created_at < rule.paused_at:
        assert not covers(rule, at=at)


@given(standpoints)
def test_pause_of_the_platform_covers_every_step(at: Standpoint) -> None:
    rule = PauseRule(scope=PauseScope.PLATFORM, name="", reason="r", paused_by="user:1", paused_at=NOW)

    assert covers(rule, at=at)
