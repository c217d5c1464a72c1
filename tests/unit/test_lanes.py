"""The settings LANES and FAIRNESS_WEIGHTS: what is read, and what is refused with what would be right."""

import pytest

from config import lanes, shares


def test_lanes_keep_their_order_and_weights() -> None:
    parsed = lanes.parse(" urgent:100, default:4,nightly")

    assert list(parsed.items()) == [("urgent", 100), ("default", 4), ("nightly", 1)]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "''"),
        ("critical:8", "'default' is missing"),
        ("default:0", "from 1 to 1000"),
        ("default:x", "from 1 to 1000"),
        ("default:²", "from 1 to 1000"),
        ("default:1,default:2", "twice"),
        ("default:1,Dead:2", "'Dead'"),
        ("default:1,dead:2", "'dead'"),
        ("default:1,", "''"),
    ],
)
def test_lanes_that_cannot_be_are_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        lanes.parse(text)


@pytest.mark.parametrize("text", ["acme", "acme:0", "acme:1001", "acme:nan", ":1", "x" * 65 + ":1"])
def test_weight_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be|key:weight"):
        shares.parse(text)


def test_key_of_a_weight_may_hold_a_colon() -> None:
    assert shares.parse("tenant:7:2.5") == {"tenant:7": 2.5}
