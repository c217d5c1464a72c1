"""Laws of the call ledger: however attempts end, a peer never has the effect twice, and no doubt is forgotten."""

from dataclasses import dataclass, replace

from hypothesis import example, given
from hypothesis import strategies as st

from integrations.calls import rules
from integrations.calls.digest import request_digest
from integrations.calls.rules import Ability, Known, Next, Outcome, Verdict
from integrations.contract import ConnectionSettings

ENDS = ("succeeds", "fails", "cut_before", "cut_after", "killed_before", "killed_after", "killed_answered")
FAILURES = (Outcome.REFUSED, Outcome.UNAVAILABLE, Outcome.THROTTLED)
CONNECTION = ConnectionSettings(name="shop", base_url="http://shop", secrets=("hunter2-hunter2",))


@dataclass
class World:
    """A peer, and what the ledger holds of one call to it."""

    ability: Ability
    effects: int = 0
    sent: int = 0
    row: rules.End | None = None
    was_uncertain: bool = False

    def attempt(self, end: str, *, is_same: bool, tells: bool) -> Next:
        """This will make one attempt as a worker does; gives what was allowed at last."""
        known = None
        if self.row is not None:
            has_output = self.row.outcome in (Outcome.SUCCEEDED, Outcome.SETTLED)
            known = Known(happened=self.row.happened, is_same_request=is_same, has_output=has_output)
        step = rules.following(known, ability=self.ability)
        is_uncertain = known is not None and known.happened is None
        if step is Next.LOOK_UP:
            found = Verdict.CANNOT_TELL
            if tells:
                found = Verdict.HAPPENED if self.effects else Verdict.DID_NOT_HAPPEN
                self.row = rules.End(Outcome.SETTLED, happened=bool(self.effects))
                is_uncertain = False
            step = rules.following_look_up(found, ability=self.ability, is_in_flight=False)
        if step is Next.SEND:
            self._send(end, is_uncertain=is_uncertain)
        return step

    def _send(self, end: str, *, is_uncertain: bool) -> None:
        self.sent += 1
        self.row = rules.End(Outcome.SENDING, happened=None)
        if end in ("succeeds", "cut_after", "killed_after", "killed_answered") and not self.ability.is_safe:
            self.effects += not (self.ability.can_repeat and self.effects)
        if end.startswith("killed"):
            return
        outcome = {"succeeds": Outcome.SUCCEEDED, "fails": FAILURES[self.sent % 3]}.get(end, Outcome.UNKNOWN)
        self.row = rules.ended(outcome, has_happened=False, was_uncertain=is_uncertain)


abilities = st.builds(Ability, is_safe=st.just(False), can_repeat=st.booleans(), can_look_up=st.booleans())
attempts = st.lists(st.tuples(st.sampled_from(ENDS), st.booleans(), st.booleans()), min_size=1, max_size=8)


@given(abilities, attempts)
def test_no_peer_ever_has_the_effect_twice(ability: Ability, plan: list[tuple[str, bool, bool]]) -> None:
    world = World(ability)

    for end, is_same, tells in plan:
        world.attempt(end, is_same=is_same, tells=tells)

    assert world.effects <= 1


@given(abilities, attempts)
def test_another_request_is_never_sent_where_the_first_may_have_happened(
    ability: Ability, plan: list[tuple[str, bool, bool]]
) -> None:
    world = World(ability)

    for end, is_same, tells in plan:
        before = world.effects
        step = world.attempt(end, is_same=is_same, tells=tells)
        if before and not is_same:
            assert step is Next.CHANGED


@given(abilities, attempts)
def test_the_ledger_never_says_what_is_not_so(ability: Ability, plan: list[tuple[str, bool, bool]]) -> None:
    world = World(ability)

    for end, is_same, tells in plan:
        world.attempt(end, is_same=is_same, tells=tells)

    assert world.row is not None
    assert world.row.happened is None or world.row.happened == bool(world.effects)


@given(abilities, st.lists(st.tuples(st.sampled_from(ENDS), st.booleans()), min_size=1, max_size=8))
@example(Ability(is_safe=False, can_repeat=True, can_look_up=False), [("cut_after", False), ("fails", False)])
def test_what_protects_a_call_brings_it_to_its_end(ability: Ability, plan: list[tuple[str, bool]]) -> None:
    world = World(ability)
    for end, tells in plan:
        world.attempt(end, is_same=True, tells=tells)

    step = world.attempt("succeeds", is_same=True, tells=True)

    assert ability.may_follow <= (step in (Next.SEND, Next.ANSWER) and world.effects == 1)


@given(st.builds(Known, happened=st.none() | st.booleans(), is_same_request=st.booleans(), has_output=st.booleans()))
def test_what_changes_nothing_may_always_be_sent(known: Known) -> None:
    ability = Ability(is_safe=True, can_repeat=True, can_look_up=False)

    assert rules.following(known, ability=ability) is Next.SEND


@given(abilities, st.sampled_from(Verdict))
def test_nothing_is_sent_beside_one_that_may_be_under_way_unless_the_peer_knows_the_key(
    ability: Ability, verdict: Verdict
) -> None:
    step = rules.following_look_up(verdict, ability=ability, is_in_flight=True)

    assert step is not Next.SEND or ability.can_repeat


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=4))
def test_digest_goes_by_content_and_not_by_order_or_by_how_it_is_looked_up(
    inputs: dict[str, object],
) -> None:
    reordered = dict(sorted(inputs.items(), reverse=True))
    digest = request_digest(uses="http.request", inputs=inputs, connection=CONNECTION)

    looked_up = {**reordered, "look_up": {"path": "/seen"}}
    assert request_digest(uses="http.request", inputs={**looked_up}, connection=CONNECTION) == request_digest(
        uses="http.request",
        inputs={name: one for name, one in inputs.items() if name != "look_up"},
        connection=CONNECTION,
    )
    elsewhere = replace(CONNECTION, base_url="http://other")
    assert request_digest(uses="http.request", inputs=inputs, connection=elsewhere) != digest


def test_digest_does_not_change_with_a_secret() -> None:
    inputs = {"path": "/charges", "headers": {"x-note": "hunter2-hunter2", "authorization": "a"}}
    rotated = {"path": "/charges", "headers": {"x-note": "rotated-secret", "authorization": "b"}}

    before = request_digest(uses="http.request", inputs=inputs, connection=CONNECTION)
    after = request_digest(
        uses="http.request", inputs=rotated, connection=replace(CONNECTION, secrets=("rotated-secret",))
    )

    assert before == after
