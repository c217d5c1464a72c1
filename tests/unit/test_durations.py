"""Lengths of time as people write them."""

import pytest

from workflows.core.durations import DurationInvalid, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86_400.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("1.5s", 1.5),
        ("250ms", 0.25),
        ("0s", 0.0),
        (45, 45.0),
        (0.5, 0.5),
    ],
)
def test_parse_duration_gives_seconds(written: object, seconds: float) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "90",
        "s",
        "5 m",
        "2 hours",
        "30m1h",
        "1m1m",
        "-5s",
        "1e3s",
        "PT5M",
        "٣s",
        True,
        None,
        [],
        -1,
        "9" * 50,
    ],
)
def test_parse_duration_refuses_what_is_no_length(written: object) -> None:
    with pytest.raises(DurationInvalid) as caught:
        parse_duration(written)

    assert caught.value.value == written


@pytest.mark.parametrize("written", ["367d", 10**30, float("inf"), float("nan")])
def test_parse_duration_refuses_what_is_out_of_range(written: object) -> None:
    with pytest.raises(DurationInvalid, match="out of range"):
        parse_duration(written)
