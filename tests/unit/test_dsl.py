"""Workflows written in Python give the document that one would write by hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NotRequired, TypedDict

import pytest

from workflows import dsl, registry
from workflows.core.definition import JsonObject
from workflows.documents import content_hash, parse_document
from workflows.dsl import Flow, Ref, StepTwice, WorkflowTwice, expr, index, item, run, workflow
from workflows.flow_options import EventWanted
from workflows.validation import find_problems

USES: dict[str, JsonObject] = {"http.request": {"type": "object"}}


class OrderInput(TypedDict):
    """What a run is started with."""

    order_id: str
    total: float
    note: NotRequired[str | None]
    lines: list[dict[str, int]]


@pytest.fixture(autouse=True)
def empty_registries(monkeypatch: pytest.MonkeyPatch) -> None:
    """This will keep what these tests declare out of everybody else's sight."""
    monkeypatch.setattr(registry, "_functions", {})
    monkeypatch.setattr(dsl, "_declared", {})


def steps_of(write: Callable[[Flow, Ref], object]) -> JsonObject:
    flow = Flow()
    write(flow, Ref("input"))
    return dict(flow.steps)


def test_workflow_gives_the_document_one_would_write_by_hand() -> None:
    @registry.function(name="shop.book_line")
    def book_line(line: dict[str, int], at: int) -> None:
        """Nothing."""

    @workflow(
        name="order-to-cash",
        input=OrderInput,
        deadline="2h",
        defaults={"queue": "io", "retry": {"attempts": 3}},
    )
    def order_to_cash(flow: Flow, input: Ref) -> None:  # noqa: A002 - the word of the document
        """Charges an order and books its lines.

        More than one line.
        """
        charge = flow.http(
            "charge",
            connection="payments",
            condition=expr("input.total > 0"),
            method="POST",
            path=f"/orders/{input.order_id}/charges",
            json={"amount": input.total, "run": run.id},
            retry={"first": "2s"},
        )
        lines = flow.python(
            book_line,
            "lines",
            needs=charge,
            for_each=input.lines,
            parallel=20,
            args={"line": item, "at": index},
            when="none_failed",
        )
        flow.set("sum", {"count": expr("steps.lines.output.size()"), "charge": charge.output.body["id"]})
        flow.step("notify", uses="http.request", needs=["charge", lines], inputs={"url": "https://x"}, timeout=5)
        flow.output({"charge": charge.output.body.id, "state": lines.state})

    by_hand = parse_document("""
        name: order-to-cash
        description: Charges an order and books its lines.
        deadline: 2h
        defaults: {queue: io, retry: {attempts: 3}}
        input:
          type: object
          required: [lines, order_id, total]
          properties:
            order_id: {type: string}
            total: {type: number}
            note: {anyOf: [{type: string}, {type: 'null'}]}
            lines: {type: array, items: {type: object, additionalProperties: {type: integer}}}
        steps:
          charge:
            uses: http.request
            connection: payments
            if: "${{ input.total > 0 }}"
            with:
              method: POST
              path: "/orders/${{ input.order_id }}/charges"
              json: {amount: "${{ input.total }}", run: "${{ run.id }}"}
            retry: {first: 2s}
          lines:
            uses: python
            needs: charge
            when: none_failed
            for_each: "${{ input.lines }}"
            parallel: 20
            with: {call: shop.book_line, args: {line: "${{ item }}", at: "${{ index }}"}}
          sum:
            uses: set
            needs: lines
            with:
              count: "${{ steps.lines.output.size() }}"
              charge: "${{ steps.charge.output.body.id }}"
          notify: {uses: http.request, needs: [charge, lines], with: {url: https://x}, timeout: 5}
        output: {charge: "${{ steps.charge.output.body.id }}", state: "${{ steps.lines.state }}"}
    """).document
    assert order_to_cash.document == by_hand
    assert content_hash(order_to_cash.document) == content_hash(by_hand)
    assert find_problems(by_hand, uses=USES, functions=registry.schemas()) == []
    assert dsl.workflows() == (order_to_cash,)


def test_workflow_input_may_be_a_dataclass_or_a_schema() -> None:
    @dataclass
    class Order:
        order_id: str
        count: int = 1

    assert workflow(name="a", input=Order)(lambda flow, _: None).document["input"] == {
        "type": "object",
        "required": ["order_id"],
        "properties": {"order_id": {"type": "string"}, "count": {"type": "integer"}},
    }


def test_workflow_is_refused_when_its_name_is_declared_elsewhere() -> None:
    def one(flow: Flow, given: Ref) -> None:
        """Nothing."""

    def two(flow: Flow, given: Ref) -> None:
        """Nothing."""

    workflow(name="a")(one)
    with pytest.raises(WorkflowTwice, match=r"one.* and in .*two"):
        workflow(name="a")(two)


def test_step_waits_for_the_steps_it_looks_at_anywhere() -> None:
    def write(flow: Flow, given: Ref) -> None:
        for name in ("a", "b", "c", "d"):
            flow.set(name, {"x": given.x})
        flow.set(
            "e",
            {"text": "is ${{ steps.a.output }}"},
            condition="steps.b.state == 'succeeded'",
            for_each=expr("steps.c.output.list"),
            needs="d",
        )

    assert steps_of(write)["e"] == {
        "uses": "set",
        "with": {"text": "is ${{ steps.a.output }}"},
        "if": "steps.b.state == 'succeeded'",
        "for_each": "${{ steps.c.output.list }}",
        "needs": ["d", "a", "c", "b"],
    }


def test_step_does_not_wait_twice_for_what_another_need_waits_for() -> None:
    def write(flow: Flow, given: Ref) -> None:
        first = flow.set("first", {})
        second = flow.set("second", {"x": first.output})
        third = flow.set("third", {"x": second.output})
        flow.set("last", {"a": first.output, "b": third.output, "c": second.output})

    assert steps_of(write)["last"]["needs"] == "third"  # type: ignore[index,call-overload]  # a step is a mapping


def test_step_is_refused_when_its_id_is_taken() -> None:
    flow = Flow()
    flow.set("a", {})

    with pytest.raises(StepTwice, match="'a'"):
        flow.set("a", {})


def test_function_can_be_named_when_it_lives_elsewhere() -> None:
    flow = Flow()
    flow.python("crm.book", "book")

    assert flow.steps == {"book": {"uses": "python", "with": {"call": "crm.book"}}}


@pytest.mark.parametrize(
    ("ref", "written"),
    [
        (Ref("input").a.b[0].c, "${{ input.a.b[0].c }}"),
        (Ref("input")["a-b"].c, '${{ input["a-b"].c }}'),
        (Ref("input")["in"], '${{ input["in"] }}'),
        (Ref("input")['say "x"'], '${{ input["say \\"x\\""] }}'),
        (expr("input.a + 1").b, "${{ (input.a + 1).b }}"),
        (dsl.StepRef("a").output.state, "${{ steps.a.output.state }}"),
    ],
)
def test_ref_is_written_as_a_template(ref: Ref, written: str) -> None:
    assert str(ref) == f"{ref}" == written


@pytest.mark.parametrize(
    "use",
    [
        lambda ref: ref == 1,
        lambda ref: ref > 1,
        lambda ref: bool(ref),
        lambda ref: list(ref),
        lambda ref: len(ref),
        lambda ref: 1 in ref,
        lambda ref: ref + 1,
    ],
)
def test_ref_refuses_to_be_computed_with(use: Callable[[Ref], object]) -> None:
    with pytest.raises(TypeError, match=r"expr\("):
        use(Ref("input").total)


def test_step_ref_in_a_value_is_refused_with_what_would_be_right() -> None:
    flow = Flow()
    charge = flow.set("charge", {})

    with pytest.raises(TypeError, match=r"write charge\.output"):
        flow.set("next", {"x": charge})


def test_wait_for_an_event_is_written_as_the_document_has_it() -> None:
    flow, given = Flow(), Ref("input")
    first = flow.set("first", {"least": 3})
    wanted: EventWanted = {
        "type": "paid",
        "key": given.order,
        "match": expr("event.data.sum >= steps.first.output.least"),
    }

    flow.wait("paid", event=wanted, length="3d", on_timeout="continue")

    assert first.id == "first"
    assert flow.steps["paid"] == {
        "uses": "wait",
        "with": {
            "event": {
                "type": "paid",
                "key": "${{ input.order }}",
                "match": "${{ event.data.sum >= steps.first.output.least }}",
            },
            "for": "3d",
            "on_timeout": "continue",
        },
        "needs": "first",
    }
