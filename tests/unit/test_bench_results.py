"""How the benchmark turns figures into rows."""

import json

import pytest

from benchmarks.results import AtLeast, AtMost, Result, interleave, percentile, table


def result(**changes: object) -> Result:
    fields: dict[str, object] = {
        "workload": "sequence",
        "unit": "ms/step",
        "value": 0.48,
        "floor": 0.32,
        "target": AtMost(1.6),
        "n": 400,
        "rounds": 5,
    }
    return Result(**{**fields, **changes})  # type: ignore[arg-type]  # the fields above have the right types


def test_result_document_has_the_agreed_keys() -> None:
    document = result().document()

    assert json.loads(json.dumps(document)) == {
        "workload": "sequence",
        "value": 0.48,
        "unit": "ms/step",
        "floor": 0.32,
        "ratio": 1.5,
        "target": "<= 1.6",
        "met": True,
        "n": 400,
        "rounds": 5,
    }


@pytest.mark.parametrize(
    ("target", "value", "is_met"),
    [(AtMost(1.5), 3.0, True), (AtMost(1.5), 3.1, False), (AtLeast(2.0), 4.0, True), (AtLeast(2.0), 3.9, False)],
)
def test_result_is_met_on_the_right_side_of_its_target(target: AtMost | AtLeast, value: float, is_met: bool) -> None:
    assert result(target=target, value=value, floor=2.0).is_met is is_met


def test_interleave_measures_in_turn() -> None:
    order: list[str] = []

    def ours() -> float:
        order.append("ours")
        return float(len(order))

    def floor() -> float:
        order.append("floor")
        return float(len(order))

    rounds = interleave(ours=ours, floor=floor, rounds=3)

    assert order == ["ours", "floor"] * 3
    assert rounds.medians == (3.0, 4.0)


def test_percentile_is_the_nearest_rank() -> None:
    assert percentile(range(1, 101), percent=99) == 99
    assert percentile([5.0], percent=50) == 5.0


def test_percentile_refuses_no_samples() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        percentile([], percent=50)


def test_table_says_which_targets_are_missed() -> None:
    lines = table([result(), result(workload="throughput", target=AtLeast(2.0))]).splitlines()

    assert [line.split()[0] for line in lines] == ["workload", "sequence", "throughput"]
    assert " yes " in lines[1]
    assert " NO " in lines[2]
