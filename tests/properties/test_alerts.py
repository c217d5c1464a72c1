"""Laws of alerts: one for each thing that is wrong, told once, over when it is gone."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from automation.alerting.rule import CALM, Firing, Rule, RuleKind, Sign, decide, matches

NOW = datetime(2026, 11, 21, tzinfo=UTC)
kinds = st.sampled_from([RuleKind.LANE, RuleKind.LIMIT])
names = st.sampled_from(["a", "b", "c"])
ages = st.floats(0, 100)
signs = st.lists(
    st.builds(Sign, kind=kinds, object=names, words=st.just("w"), count=st.integers(0, 5), age_s=ages),
    max_size=6,
    unique_by=lambda sign: (sign.kind, sign.object),
)
rules = st.builds(
    Rule,
    name=st.just("r"),
    kind=kinds,
    object=st.sampled_from(["", "a"]),
    count=st.integers(0, 4),
    over_s=ages,
    repeat_s=st.sampled_from([0.0, 10.0, 60.0]),
    is_enabled=st.booleans(),
)
past = st.floats(0, 100).map(lambda seconds: NOW - timedelta(seconds=seconds))
firings = st.lists(st.builds(Firing, object=names, seen_at=past, told_at=past), unique_by=lambda one: one.object)


@given(rules, signs, firings)
def test_every_alert_has_one_fate_at_most(rule: Rule, seen: list[Sign], firing: list[Firing]) -> None:
    found = decide(rule, signs=seen, firing=firing, now=NOW)
    fates = [*(sign.object for sign in (*found.begin, *found.repeat, *found.keep)), *found.end]

    assert len(fates) == len(set(fates))


@given(rules, signs, firings)
def test_what_matches_fires_and_nothing_else(rule: Rule, seen: list[Sign], firing: list[Firing]) -> None:
    found = decide(rule, signs=seen, firing=firing, now=NOW)
    there = {sign.object for sign in (*found.begin, *found.repeat, *found.keep)}

    assert there == {sign.object for sign in seen if matches(rule, sign)}
    assert {sign.object for sign in found.begin}.isdisjoint(one.object for one in firing)


@given(rules, signs)
def test_looking_again_at_once_tells_nobody(rule: Rule, seen: list[Sign]) -> None:
    began = decide(rule, signs=seen, firing=[], now=NOW)
    firing = [Firing(object=sign.object, seen_at=NOW, told_at=NOW) for sign in began.begin]
    again = decide(rule, signs=seen, firing=firing, now=NOW)

    assert (again.begin, again.repeat, again.end) == ([], [], [])


@given(rules, firings)
def test_alert_ends_only_after_its_sign_was_away_for_a_while(rule: Rule, firing: list[Firing]) -> None:
    found = decide(rule, signs=[], firing=firing, now=NOW)

    assert set(found.end) == {one.object for one in firing if NOW - one.seen_at >= CALM}


@given(rules, firings)
def test_nothing_follows_where_nobody_could_look(rule: Rule, firing: list[Firing]) -> None:
    found = decide(rule, signs=None, firing=firing, now=NOW)

    assert not (found.begin)
    assert not (found.repeat)
    assert not (found.keep)
    assert not (found.end)


@given(rules, signs, firings)
def test_telling_again_waits_for_its_interval(rule: Rule, seen: list[Sign], firing: list[Firing]) -> None:
    told = {one.object: one.told_at for one in firing}

    for sign in decide(rule, signs=seen, firing=firing, now=NOW).repeat:
        assert rule.repeat_s > 0
        assert (NOW - told[sign.object]).total_seconds() >= rule.repeat_s
