"""Expressions: what they see, what they give, how they fail."""

from collections.abc import Mapping

import pytest

from workflows.core.definition import JsonValue
from workflows.expressions import (
    ExpressionFailed,
    ExpressionInvalid,
    Scope,
    compile_condition,
    compile_expression,
    compile_value,
)

SCOPE = Scope(steps=frozenset({"charge", "book"}), known=frozenset({"charge", "book", "later"}))
ITEM_SCOPE = Scope(steps=frozenset({"charge"}), has_item=True)
CONTEXT: Mapping[str, JsonValue] = {
    "input": {
        "total": 5,
        "rate": 1.5,
        "name": "Ada",
        "lines": [{"sku": "a", "price": 2}, {"sku": "b", "price": 3}],
        "nested": {"deep": {"x": 1}},
        "nothing": None,
        "huge": 2**70,
        "a-b": 9,
    },
    "steps": {
        "charge": {"output": {"id": "ch_1"}, "state": "succeeded"},
        "book": {"output": None, "state": "skipped"},
    },
    "run": {
        "id": "r1",
        "workflow": "shop",
        "version": 3,
        "correlation_id": "c1",
        "started_at": "2026-01-01T00:00:00Z",
    },
    "item": {"sku": "a"},
    "index": 4,
}


def evaluate(source: str, *, scope: Scope = SCOPE) -> JsonValue:
    return compile_expression(source, scope=scope).evaluate(CONTEXT)


def failure(source: str, *, scope: Scope = SCOPE) -> str:
    with pytest.raises(ExpressionFailed) as caught:
        evaluate(source, scope=scope)
    assert caught.value.source == source
    return caught.value.message


def refusal(source: str, *, scope: Scope = SCOPE) -> ExpressionInvalid:
    with pytest.raises(ExpressionInvalid) as caught:
        compile_expression(source, scope=scope)
    return caught.value


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("input.total", 5),
        ("input.total > 0", True),
        ("input.total > 4.5", True),
        ("input.rate > 1", True),
        ("input.total == 5.0", True),
        ("double(input.total) * 1.5", 7.5),
        ("input.lines[1].sku", "b"),
        ("input . lines [ 1 ] . sku", "b"),
        ("input['a-b']", 9),
        ("input.lines.map(line, line.price)", [2, 3]),
        ("input.lines.filter(line, line.price > 2).size()", 1),
        ("size(input.lines)", 2),
        ("has(input.missing)", False),
        ("has(input.nested.deep.x) && !has(input.nested.deep.y)", True),
        ("'nested' in input", True),
        ("input.nested.deep.x + input.nested.deep.size()", 2),
        ("input.nothing == null", True),
        ("input.huge", 2**70),
        ("input.huge > 1", True),
        ("steps.charge.output.id", "ch_1"),
        ("steps.book.state == 'skipped' && steps.book.output == null", True),
        (".input.total + 1", 6),
        ("run.version + 1", 4),
        ("run.workflow + '/' + run.id", "shop/r1"),
        ("timestamp(run.started_at) + duration('90s')", "2026-01-01T00:01:30Z"),
        ("duration('90s')", "90s"),
        ("b'hi'", "aGk="),
        ("input.name.lowerAscii()", "ada"),
        ("math.greatest(input.total, 9)", 9),
        ("{'z': 1, 'a': input.name}", {"a": "Ada", "z": 1}),
        ("[{'charge': {'output': 3}}].map(steps, steps.charge.output)", [3]),
        ("'input.nope' + ' // steps.later.output'", "input.nope // steps.later.output"),
        (r"""r'a\d${{' + "input" """, r"a\d${{input"),
        ("1 // input.nope", 1),
    ],
)
def test_expression_gives_json(source: str, value: JsonValue) -> None:
    result = evaluate(source)

    assert result == value
    assert type(result) is type(value)


def test_expression_sees_item_and_index_inside_for_each() -> None:
    assert evaluate("item.sku + string(index)", scope=ITEM_SCOPE) == "a4"


def test_expression_gives_maps_in_the_same_order_every_time() -> None:
    result = evaluate("{'z': 1, 'a': {'y': 1, 'b': 2}}")

    assert isinstance(result, dict)
    assert list(result) == ["a", "z"]


@pytest.mark.parametrize(
    ("source", "steps"),
    [
        ("input.total", set()),
        ("steps.charge.output.id", {"charge"}),
        ("steps.charge.state == 'x' || steps . book . output == null", {"charge", "book"}),
        ("'steps.book.output' + steps.charge.state", {"charge"}),
        ("input.steps.book.output == 1", set()),
    ],
)
def test_expression_references_the_steps_it_looks_at(source: str, steps: set[str]) -> None:
    assert compile_expression(source, scope=SCOPE).references == steps


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("inptu.total", "no name or function `inptu.total`", "did you mean `input`?"),
        ("foo(1)", "no name or function `foo`", "known names: input, steps, run"),
        ("steps.later.output", "does not end before", "add 'later' to `needs`"),
        ("steps.chrage.output", "there is no step 'chrage'", "did you mean 'charge'?"),
        ("steps.charge.status", "only `output` and `state`", "write steps.charge.output"),
        ("steps['charge'].output", "named with a dot", "write steps.<id>.output"),
        ("item.sku", "`item` exists only", ""),
        ("run.number", "there is no `run.number`", "run.version"),
        ("1 +", "at column 4: it ends too early", ""),
        ("'a' + 1", "`+` cannot take (string, int)", ""),
        ("1 * 2.0", "`*` cannot take (int, double)", "convert one of them"),
        ("", "at column 1: it ends too early", ""),
        ("(" * 60 + "1" + ")" * 60, "nested too deeply", ""),
        ("1 + " * 40 + "1", "nested too deeply", ""),
        ("'" + "x" * 4100 + "'", "at most 4096", "python step"),
    ],
)
def test_expression_is_refused_when_compiled(source: str, message: str, hint: str) -> None:
    refused = refusal(source)

    assert message in refused.message
    assert hint in refused.hint


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("input.missing", "there is no key 'missing' in `input`"),
        ("input.missing + 1", 'there is no key "missing"'),
        ("input.lines[7].sku", "no index 7 in `input.lines`, which has 2 items"),
        ("input.name.first", "`input.name` is text"),
        ("input.name[0]", "`input.name` is text"),
        ("input.nothing.x", "`input.nothing` is null"),
        ("steps.book.output.id", "`steps.book.output` is null"),
        ("input.total / 0", "divide by zero"),
        ("9223372036854775807 + input.total", "integer overflow"),
        ("input.total * 1.5", "convert one of them"),
        ("input.total ? 1 : 2", "needs true or false"),
        ("duration(input.name)", "String to Duration"),
        ("double('nan')", "nan"),
        ("{1: 2}", "keys must be text"),
        ("type(input.total)", "which JSON cannot hold"),
        ("input.name.matches('(')", "regular expression"),
    ],
)
def test_expression_fails_with_a_reason_when_there_is_no_result(source: str, message: str) -> None:
    assert message in failure(source)


def test_expression_is_stopped_when_it_does_too_much_work() -> None:
    numbers = "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19]"
    source = "1 in " + numbers
    for name in "abcde":
        source = f"{numbers}.all({name}, {source})"

    assert "too much work" in failure(source)


def test_expression_fails_when_a_step_has_not_ended() -> None:
    expression = compile_expression("steps.charge.output.id", scope=SCOPE)

    with pytest.raises(ExpressionFailed, match="step 'charge' has not ended yet"):
        expression.evaluate({**CONTEXT, "steps": {}})


@pytest.mark.parametrize("text", ["a\ud800"])
def test_expression_fails_when_text_is_not_unicode(text: str) -> None:
    expression = compile_expression("input + 'x'", scope=SCOPE)

    with pytest.raises(ExpressionFailed, match="not valid Unicode"):
        expression.evaluate({"input": text})


def test_condition_gives_true_or_false() -> None:
    assert compile_condition("input.total > 0", scope=SCOPE).evaluate(CONTEXT) is True


def test_condition_is_refused_when_it_can_never_be_true_or_false() -> None:
    with pytest.raises(ExpressionInvalid, match="this gives int"):
        compile_condition("1 + 1", scope=SCOPE)


def test_condition_fails_when_the_data_is_neither_true_nor_false() -> None:
    with pytest.raises(ExpressionFailed, match="this gave 5"):
        compile_condition("input.total", scope=SCOPE).evaluate(CONTEXT)


def test_value_keeps_types_writes_text_and_leaves_the_rest_alone() -> None:
    value = compile_value(
        {
            "whole": "${{ input.lines }}",
            "text": "${{ input.total }} of ${{ input.name }}: ${{ input.nested }}, ${{ input.nothing }}",
            "flag": "is ${{ input.total > 0 }}",
            "escaped": "$${{ input.total }}",
            "braces": "${{ {'a': {'b': '}}'}} }}",
            "list": [1, "${{ steps.charge.output.id }}", "plain"],
        },
        scope=SCOPE,
    )

    assert value.references == {"charge"}
    assert value.evaluate(CONTEXT) == {
        "whole": [{"sku": "a", "price": 2}, {"sku": "b", "price": 3}],
        "text": '5 of Ada: {"deep":{"x":1}}, null',
        "flag": "is true",
        "escaped": "${{ input.total }}",
        "braces": {"a": {"b": "}}"}},
        "list": [1, "ch_1", "plain"],
    }


def test_value_without_templates_is_given_back_itself() -> None:
    literal: JsonValue = {"a": [1, {"b": "$ {{ x }}"}]}

    assert compile_value(literal, scope=SCOPE).evaluate(CONTEXT) is literal


def test_value_says_where_a_template_is_wrong() -> None:
    with pytest.raises(ExpressionInvalid) as caught:
        compile_value({"a": [0, {"b c": "x ${{ nope }}"}]}, scope=SCOPE)

    assert caught.value.path == "$.a[1]['b c']"
