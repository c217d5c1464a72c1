"""Laws of fair shares: on a model of what is due, with the real memory of who is ahead."""

from collections import Counter
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.sharing import Shares

KEYS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3), st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=1, max_size=6
)


def serve(shares: Shares, *, waiting: Counter[str], weights: Mapping[str, float], room: int) -> list[str]:
    """This will take a round, as the statement does: the smallest virtual starts first."""
    leads = shares.leads("bulk")
    tags = sorted(
        (leads.get(key, 0.0) + number / weights[key], key) for key, count in waiting.items() for number in range(count)
    )
    taken = [key for _, key in tags[:room]]
    waiting.subtract(taken)
    shares.note("bulk", taken=[(key, weights[key]) for key in taken], is_drained=len(taken) < room)
    return taken


@given(weights=KEYS, room=st.integers(1, 40))
def test_shares_follow_the_weights_over_a_long_backlog(weights: dict[str, float], room: int) -> None:
    """The bound is that of the source: two keys differ by no more than one piece of work of each."""
    shares = Shares()
    served: Counter[str] = Counter()
    while sum(served.values()) < 25 * len(weights):
        served.update(serve(shares, waiting=Counter(dict.fromkeys(weights, room)), weights=weights, room=room))

    shares_got = {key: served[key] / weight for key, weight in weights.items()}
    for one, weight in weights.items():
        for other, other_weight in weights.items():
            assert abs(shares_got[one] - shares_got[other]) <= 1 / weight + 1 / other_weight + 1e-9


@given(weights=KEYS, room=st.integers(1, 10), others=st.integers(1, 50))
def test_key_that_comes_into_a_backlog_is_served_soon(weights: dict[str, float], room: int, others: int) -> None:
    """It owes nothing and saved nothing: it is served before any other key is served twice its weight more."""
    shares = Shares()
    for _ in range(others):
        serve(shares, waiting=Counter(dict.fromkeys(weights, room)), weights=weights, room=room)
    waiting = Counter({**dict.fromkeys(weights, 300), "new": 1})
    turns = 0
    while waiting["new"]:
        serve(shares, waiting=waiting, weights={**weights, "new": 1.0}, room=1)
        turns += 1

    assert turns <= 1 + len(weights) + sum(weights.values())


@given(keys=st.integers(2, 20), room=st.integers(1, 20))
def test_equal_keys_take_turns(keys: int, room: int) -> None:
    shares = Shares()
    names = [f"k{number}" for number in range(keys)]
    served: Counter[str] = Counter()
    for _ in range(3 * keys):
        served.update(
            serve(shares, waiting=Counter(dict.fromkeys(names, room)), weights=dict.fromkeys(names, 1.0), room=room)
        )
        counts = [served[name] for name in names]
        assert max(counts) - min(counts) <= 1


def test_drained_lane_owes_nothing() -> None:
    shares = Shares()
    shares.note("bulk", taken=[("a", 1.0)] * 10, is_drained=False)
    assert shares.leads("bulk")["a"] == 1.0

    shares.note("bulk", taken=[("a", 1.0)], is_drained=True)

    assert shares.leads("bulk") == {}
