"""The laws of answers: order does not matter, one person counts once, no right is used twice, an instant is one way."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.voting import (
    Choice,
    Delegation,
    RequestState,
    Rule,
    Vote,
    decide,
    delegation_hindrance,
    entitled,
    is_over,
    rights,
)

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
PEOPLE = st.sampled_from("abcdef")
INSTANTS = st.integers(0, 6).map(lambda hours: BEGIN + timedelta(hours=hours))
CHOICES = st.sampled_from([Choice.APPROVE, Choice.REJECT])
VOTES = st.lists(st.builds(Vote, PEOPLE, CHOICES, INSTANTS), max_size=8)
RULES = st.builds(
    Rule, approvers=st.integers(1, 4), rejections=st.integers(1, 3), expires_at=st.one_of(st.none(), INSTANTS)
)
DELEGATIONS = st.lists(st.builds(Delegation, PEOPLE, PEOPLE), max_size=6)


@given(RULES, VOTES, INSTANTS, st.randoms(use_true_random=False))
def test_order_of_votes_does_not_matter(rule: Rule, votes: list[Vote], now: datetime, random: object) -> None:
    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types it object

    assert decide(rule, votes=votes, now=now) is decide(rule, votes=shuffled, now=now)


@given(RULES, VOTES, INSTANTS)
def test_one_person_counts_once(rule: Rule, votes: list[Vote], now: datetime) -> None:
    state = decide(rule, votes=votes, now=now)

    people = {vote.person for vote in votes}
    if state is RequestState.APPROVED:
        assert len(people) >= rule.approvers
    if state is RequestState.REJECTED:
        assert len(people) >= rule.rejections
    assert decide(rule, votes=[*votes, *votes], now=now) is state


@given(RULES, VOTES, INSTANTS)
def test_vote_at_the_expiry_or_later_never_counts(rule: Rule, votes: list[Vote], now: datetime) -> None:
    in_time = [vote for vote in votes if not is_over(rule, at=vote.at)]

    assert decide(rule, votes=votes, now=now) is decide(rule, votes=in_time, now=now)


@given(RULES, VOTES)
def test_what_was_decided_in_time_stays_decided(rule: Rule, votes: list[Vote]) -> None:
    early, late = (decide(rule, votes=votes, now=BEGIN + timedelta(hours=hours)) for hours in (0, 100))

    if early not in (RequestState.OPEN, RequestState.EXPIRED):
        assert late is early
    if rule.expires_at is not None:
        assert late is not RequestState.OPEN


@given(st.frozensets(PEOPLE), DELEGATIONS, st.frozensets(PEOPLE))
def test_delegations_make_no_right_more_and_none_for_the_excluded(
    asked: frozenset[str], delegations: Sequence[Delegation], excluded: frozenset[str]
) -> None:
    holders = entitled(asked, delegations=delegations, excluded=excluded)

    assert len(holders) <= len(asked - excluded)
    assert not excluded & holders


@given(st.frozensets(PEOPLE, min_size=1), DELEGATIONS, PEOPLE, PEOPLE)
def test_giver_holds_nothing_afterwards_and_the_taker_what_he_held(
    asked: frozenset[str], delegations: Sequence[Delegation], giver: str, taker: str
) -> None:
    before = entitled(asked, delegations=delegations)
    after = entitled(asked, delegations=[*delegations, Delegation(giver, taker)])

    if giver in before:
        assert taker in after
        assert giver == taker or giver not in after
    else:
        assert after == before


ACTS = st.lists(st.tuples(PEOPLE, st.one_of(st.none(), PEOPLE)), max_size=12)


@given(st.frozensets(PEOPLE, min_size=1), st.frozensets(PEOPLE), st.integers(1, 3), ACTS)
def test_no_right_is_used_twice_whoever_votes_and_delegates_in_whatever_order(
    asked: frozenset[str], excluded: frozenset[str], needed: int, acts: list[tuple[str, str | None]]
) -> None:
    delegations: list[Delegation] = []
    used: list[str] = []
    voted: set[str] = set()
    for person, taker in acts:
        held = rights(asked, delegations=delegations, excluded=excluded)
        holders, own = frozenset(held.values()), [one for one, holder in held.items() if holder == person]
        could = len(holders | voted)
        if not own or person in voted:
            continue
        if taker is None:
            voted.add(person)
            used += own
            continue
        wanted = Delegation(person, taker)
        if not delegation_hindrance(wanted, holders=holders, voted=voted, excluded=excluded, needed=needed):
            delegations.append(wanted)
            left = entitled(asked, delegations=delegations, excluded=excluded) | voted
            assert len(left) >= min(could, needed)

    assert len(used) == len(set(used)) <= len(asked - excluded)
    assert not voted & excluded
