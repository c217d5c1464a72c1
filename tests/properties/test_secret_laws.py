"""Secrets at rest open only where they were sealed; a cache serves nothing beyond its bounds, and asks one at once."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from integrations.secret_stores import cipher
from integrations.secret_stores.cache import RENEWED_AT, Bounds, Cache
from integrations.secret_stores.cipher import NotOpened, Sealed
from integrations.secret_stores.contract import Away, Fetched, Missing
from integrations.secret_stores.keys import KeyRing, WrongKeys, new_key, read_ring

keys = st.binary(min_size=32, max_size=32)
ids = st.from_regex(r"[a-z0-9._-]{1,8}", fullmatch=True)
rings = st.dictionaries(ids, keys, min_size=1, max_size=3).map(KeyRing)
nonces = st.binary(min_size=12, max_size=12)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(ring=rings, secret=texts, row=texts, nonce=nonces, new=keys)
def test_what_was_sealed_opens_in_its_row_also_when_a_newer_key_came(
    ring: KeyRing, secret: str, row: str, nonce: bytes, new: bytes
) -> None:
    sealed = cipher.seal(secret, ring=ring, row=row, nonce=nonce)
    newer = KeyRing({"newest key": new, **ring.keys})

    assert cipher.opened(sealed, ring=ring, row=row) == secret
    assert cipher.opened(sealed, ring=newer, row=row) == secret
    assert cipher.seal(secret, ring=newer, row=row, nonce=nonce).key_id == "newest key"


@given(ring=rings, row=texts, other=texts, nonce=nonces, new=keys, at=st.integers(0))
def test_nothing_opens_in_another_row_with_another_key_or_changed(
    ring: KeyRing, row: str, other: str, nonce: bytes, new: bytes, at: int
) -> None:
    sealed = cipher.seal("s3cret", ring=ring, row=row, nonce=nonce)
    text = bytearray(sealed.ciphertext)
    text[at % len(text)] ^= 1

    wrong = [(Sealed(sealed.key_id, nonce, bytes(text)), ring, row), (sealed, KeyRing({"x y": new}), row)]
    wrong += [(sealed, ring, other)] if other != row else []
    wrong += [(sealed, KeyRing({sealed.key_id: new}), row)] if new != ring.keys[sealed.key_id] else []
    for one, with_ring, in_row in wrong:
        with pytest.raises(NotOpened):
            cipher.opened(one, ring=with_ring, row=in_row)


@given(made=st.dictionaries(ids, keys, max_size=4))
def test_a_ring_is_read_as_it_was_written(made: dict[str, bytes]) -> None:
    text = ", ".join(new_key(key_id=key_id, random=key) for key_id, key in made.items())

    assert list(read_ring(text).keys.items()) == list(made.items())


@pytest.mark.parametrize("text", ["s3cr3t", "a:short", "a:c2hvcnQ=", "a b:" + "A" * 43 + "=", "a:!" + "A" * 42 + "="])
def test_a_wrong_ring_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(WrongKeys) as wrong:
        read_ring(text)

    assert text.partition(":")[2][:5] == "" or text.partition(":")[2] not in str(wrong.value)
    assert "s3cr3t" not in str(wrong.value)


class Caching(RuleBasedStateMachine):
    """A cache and a store that answers, is away or has nothing, as time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.cache = Cache(clock=lambda: self.now)
        self.bounds = Bounds(fresh_s=60, stale_s=600)
        self.answer: Fetched | Exception = Missing("nothing yet")
        self.version = 0
        self.written_at: dict[str, float] = {}
        self.asked = 0
        self.away_at = -1000.0

    def fetch(self) -> Fetched:
        """This will be the store."""
        self.asked += 1
        if isinstance(self.answer, Away):
            self.away_at = self.now
        if isinstance(self.answer, Exception):
            raise self.answer
        self.written_at[self.answer.fields[""]] = self.now
        return self.answer

    @rule(lease_s=st.sampled_from([None, 30.0, 3600.0]))
    def the_secret_changes(self, lease_s: float | None) -> None:
        """This will be a rotation."""
        self.version += 1
        self.answer = Fetched(fields={"": f"v{self.version}"}, lease_s=lease_s)

    @rule(error=st.sampled_from([Away("away"), Missing("gone")]))
    def the_store_fails(self, error: Exception) -> None:
        """This will be a store that is away, or a secret that was deleted."""
        self.answer = error

    @rule(seconds=st.sampled_from([0.5, 6.0, 21.0, 61.0, 700.0, 4000.0]))
    def time_passes(self, seconds: float) -> None:
        """This will be time."""
        self.now += seconds

    @rule()
    def a_peer_denies(self) -> None:
        """This will be a hint."""
        self.cache.hint("k", bounds=self.bounds)

    @rule()
    def somebody_asks(self) -> None:
        """What is served was the store's answer, and is within its bounds."""
        asked = self.asked
        try:
            fetched = self.cache.get("k", fetch=self.fetch, bounds=self.bounds)
        except (Away, Missing) as error:
            assert error is self.answer  # noqa: PT017  a machine has no other way
            return
        age_s = self.now - self.written_at[fetched.fields[""]]
        longest_s = 660.0 if fetched.lease_s is None else fetched.lease_s
        assert age_s < longest_s or age_s == 0
        if self.asked == asked:
            is_away = self.now - self.away_at <= self.bounds.again_s
            assert age_s < (60.0 if fetched.lease_s is None else fetched.lease_s) or is_away
        elif not isinstance(self.answer, Exception):
            assert fetched is self.answer

    @invariant()
    def what_is_fresh_is_served_without_asking(self) -> None:
        """A fresh one costs nothing."""
        if self.cache.is_fresh("k"):
            asked = self.asked
            self.cache.get("k", fetch=self.fetch, bounds=self.bounds)
            assert self.asked == asked


TestCaching = Caching.TestCase


def test_a_lease_of_the_store_is_renewed_before_it_ends() -> None:
    now = [0.0]
    cache = Cache(clock=lambda: now[0])
    bounds = Bounds(fresh_s=60, stale_s=600)
    cache.get("k", fetch=lambda: Fetched(fields={"": "a"}, lease_s=90), bounds=bounds)
    now[0] = 90 * RENEWED_AT + 0.1

    assert cache.get("k", fetch=lambda: Fetched(fields={"": "b"}, lease_s=90), bounds=bounds).fields == {"": "b"}


def test_one_asks_while_others_are_served_what_was_known() -> None:
    now = [0.0]
    cache, bounds = Cache(clock=lambda: now[0]), Bounds(fresh_s=60, stale_s=600)
    cache.get("k", fetch=lambda: Fetched(fields={"": "old"}), bounds=bounds)
    now[0] = 61
    is_asked, may_answer = threading.Event(), threading.Event()
    asked: list[str] = []

    def slow() -> Fetched:
        asked.append("slow")
        is_asked.set()
        assert may_answer.wait(120)
        return Fetched(fields={"": "new"})

    thread = threading.Thread(target=lambda: cache.get("k", fetch=slow, bounds=bounds))
    thread.start()
    assert is_asked.wait(120)
    others = [cache.get("k", fetch=slow, bounds=bounds).fields[""] for _ in range(10)]
    may_answer.set()
    thread.join(120)

    assert (others, asked) == (["old"] * 10, ["slow"])
    assert cache.get("k", fetch=slow, bounds=bounds).fields == {"": "new"}
