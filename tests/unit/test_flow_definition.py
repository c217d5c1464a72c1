"""Flow control in a definition: what it comes to when it is right, and what is wrong when it is not."""

import pytest

from workflows import dsl
from workflows.core.flow_control import (
    Batch,
    Debounce,
    FlowControl,
    GateKind,
    Overflow,
    RateRule,
    SlotRule,
    restore_flow_control,
)
from workflows.core.gcra import Rate
from workflows.core.problems import Problem
from workflows.documents import parse_document
from workflows.dsl import Flow, Ref, expr
from workflows.flow import KeyFailed, compile_flow
from workflows.validation import find_problems

HEAD = "name: test\nsteps: {only: {uses: set, with: {}}}\n"


def problems_of(section: str) -> list[Problem]:
    """This will give what is wrong with a definition that has this section."""
    return find_problems(parse_document(HEAD + section).document, uses={})


def control_of(section: str) -> FlowControl:
    """This will restore the flow control of a definition."""
    control = restore_flow_control(parse_document(HEAD + section).document)
    assert control is not None
    return control


def test_definition_without_rules_has_no_flow_control() -> None:
    assert restore_flow_control(parse_document(HEAD).document) is None


def test_rules_come_to_what_they_say() -> None:
    control = control_of(
        "rate_limit: {key: a, limit: 10, period: 1m}\n"
        "debounce: {period: 5s, timeout: 1m}\n"
        "singleton: {mode: cancel}\n"
        "throttle: {limit: 2, period: 1s, burst: 3}\n"
        "concurrency: [{key: b, limit: 4, overflow: reject}, {limit: 9}]\n"
    )

    assert control == FlowControl(
        rate_limit=RateRule(rate=Rate(limit=10, period_s=60, burst=10), key="a"),
        debounce=Debounce(period_s=5, timeout_s=60),
        singleton=SlotRule(limit=1, overflow=Overflow.CANCEL_OLDEST),
        throttle=RateRule(rate=Rate(limit=2, period_s=1, burst=3)),
        concurrency=(SlotRule(key="b", limit=4, overflow=Overflow.REJECT), SlotRule(limit=9)),
    )
    assert control_of("batch: {size: 3, timeout: 1s}").batch == Batch(size=3, timeout_s=1)


@pytest.mark.parametrize(
    ("section", "path", "told"),
    [
        ("concurrency: {limit: 0}", "$.concurrency.limit", "1"),
        ("concurrency: {key: a}", "$.concurrency", "`limit` is missing"),
        ("concurrency: 3", "$.concurrency", "must be a mapping"),
        ("concurrency: []", "$.concurrency", "must not be empty"),
        ("concurrency: {limit: 1, overflow: drop}", "$.concurrency.overflow", "not allowed"),
        ("concurrency: {limit: 1, limt: 1}", "$.concurrency.limt", "there is no key 'limt'"),
        ("concurrency: [{limit: 1}, {limit: 2}]", "$.concurrency[1]", "same `key`"),
        ('concurrency: {limit: 1, key: "${{ steps.only.output }}"}', "$.concurrency.key", "only"),
        ('concurrency: {limit: 1, key: "${{ nothing }}"}', "$.concurrency.key", "nothing"),
        ("throttle: {limit: 1, period: soon}", "$.throttle.period", "not a length of time"),
        ("throttle: {limit: 1, period: 0s}", "$.throttle.period", "longer than nothing"),
        ("rate_limit: {limit: 1}", "$.rate_limit", "`period` is missing"),
        ("debounce: {period: 10s, timeout: 5s}", "$.debounce.timeout", "shorter than `period`"),
        ("debounce: {period: 1s}\nbatch: {size: 2, timeout: 1s}", "$.debounce", "exclude each other"),
        ("batch: {size: 1001, timeout: 1s}", "$.batch.size", "1000"),
        ("batch: {size: 2}", "$.batch", "`timeout` is missing"),
        ("singleton: {mode: queu}", "$.singleton.mode", "not allowed"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(section: str, path: str, told: str) -> None:
    (problem,) = problems_of(section)

    assert problem.path == path
    assert told in problem.message


def test_misspelt_value_is_told_with_the_nearest_one() -> None:
    (problem,) = problems_of("singleton: {mode: queu}")

    assert problem.hint == "did you mean 'queue'?"


def test_gates_are_the_same_for_every_version_but_gathering_ones() -> None:
    control = control_of("batch: {size: 2, timeout: 1s}\nconcurrency: {key: '${{ input.a }}', limit: 1}")
    context = {"input": {"a": 1}, "run": {}}
    flows = [compile_flow(control, workflow="w", version=version) for version in (1, 2)]

    first, second = (flow.gates(context) for flow in flows if flow is not None)

    assert first.concurrency[0].id == second.concurrency[0].id
    assert first.batch is not None
    assert second.batch is not None
    assert first.batch.id != second.batch.id


def test_gates_are_locked_in_the_order_in_which_they_are_applied() -> None:
    control = control_of(
        "rate_limit: {limit: 1, period: 1s}\ndebounce: {period: 1s}\nsingleton: {}\n"
        "throttle: {limit: 1, period: 1s}\nconcurrency: {limit: 1}"
    )
    flow = compile_flow(control, workflow="w", version=1)
    assert flow is not None

    every = flow.gates({"input": None, "run": {}}).every

    assert [gate.kind for gate in sorted(every, key=lambda gate: gate.id)] == [
        GateKind.RATE_LIMIT,
        GateKind.DEBOUNCE,
        GateKind.SINGLETON,
        GateKind.THROTTLE,
        GateKind.CONCURRENCY,
    ]


def test_every_key_that_cannot_be_computed_is_told() -> None:
    control = control_of("singleton: {key: '${{ input.a }}'}\nconcurrency: {key: '${{ input.b }}', limit: 1}")
    flow = compile_flow(control, workflow="w", version=1)
    assert flow is not None

    with pytest.raises(KeyFailed) as failed:
        flow.gates({"input": {}, "run": {}})

    assert [problem.path for problem in failed.value.problems] == ["$.singleton.key", "$.concurrency.key"]


def test_python_gives_the_same_document(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsl, "_declared", {})

    @dsl.workflow(
        name="test",
        concurrency=[{"key": expr("input.customer"), "limit": 1, "overflow": "queue"}],
        throttle={"limit": 5, "period": "1s", "burst": 2},
    )
    def test(flow: Flow, input: Ref) -> None:  # noqa: A002  the words of the document
        flow.set("only", {})

    written = parse_document(
        HEAD + 'concurrency: [{key: "${{ input.customer }}", limit: 1, overflow: queue}]\n'
        "throttle: {limit: 5, period: 1s, burst: 2}\n"
    )
    assert test.document == written.document
    assert find_problems(test.document, uses={}) == []
