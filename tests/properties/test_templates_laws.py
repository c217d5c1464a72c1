"""Templates and expressions: what holds for any JSON and any text."""

import json
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from workflows.core.definition import JsonValue
from workflows.core.projection import pick, selection_of
from workflows.core.templates import Code, TemplateInvalid, parse_template, written
from workflows.core.tokens import chains, tokens
from workflows.expressions import (
    ExpressionFailed,
    ExpressionInvalid,
    Scope,
    compile_expression,
    compile_value,
)

SCOPE = Scope(steps=frozenset({"a"}))
NAMES = st.sampled_from(["a", "b", "c", "d"])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT
JSON = st.recursive(
    LEAVES | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
NESTED = st.dictionaries(NAMES, st.recursive(LEAVES, lambda inner: st.dictionaries(NAMES, inner, max_size=4)))


@given(TEXT | st.text("${}a '\"", max_size=30))
def test_escaped_text_stands_for_itself(text: str) -> None:
    escaped = text.replace("${{", "$${{")

    assert compile_value(escaped, scope=SCOPE).evaluate({}) == text


@given(JSON)
def test_value_without_templates_is_itself(value: JsonValue) -> None:
    assume("${{" not in json.dumps(value))

    assert compile_value(value, scope=SCOPE).evaluate({}) is value


@given(JSON, TEXT, TEXT)
def test_whole_template_keeps_the_value_and_mixed_text_writes_it(value: JsonValue, before: str, after: str) -> None:
    assume("$" not in before + after)
    whole = compile_value("${{ input }}", scope=SCOPE)
    mixed = compile_value(f"{before}${{{{ input }}}}{after}x", scope=SCOPE)

    assert whole.evaluate({"input": value}) is value
    assert mixed.evaluate({"input": value}) == before + written(value) + after + "x"


@given(JSON)
def test_a_value_survives_the_way_through_cel(value: JsonValue) -> None:
    through = compile_expression("(input)", scope=SCOPE)

    assert through.evaluate({"input": value}) == value


@given(NESTED, st.lists(NAMES, min_size=1, max_size=4))
def test_path_read_without_cel_agrees_with_cel(value: dict[str, JsonValue], path: list[str]) -> None:
    source = ".".join(["input", *path])
    direct, through = (compile_expression(text, scope=SCOPE) for text in (source, f"({source})"))

    try:
        wanted = through.evaluate({"input": value})
    except ExpressionFailed:
        with pytest.raises(ExpressionFailed):
            direct.evaluate({"input": value})
    else:
        assert direct.evaluate({"input": value}) == wanted


@given(NESTED, st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=4))
def test_handing_over_only_what_is_named_changes_no_result(value: dict[str, JsonValue], paths: list[list[str]]) -> None:
    fields = [".".join(["input", *path]) for path in paths]
    narrow = compile_expression(" || ".join(f"(has({field}) && {field} == 1)" for field in fields), scope=SCOPE)
    whole = compile_expression(f"size(input) >= 0 && ({narrow.source})", scope=SCOPE)

    def outcome(expression: object) -> object:
        try:
            return expression.evaluate({"input": value})  # type: ignore[attr-defined]  # both are expressions
        except ExpressionFailed:
            return "failed"

    assert outcome(narrow) == outcome(whole)


@given(NESTED, st.lists(st.lists(NAMES, max_size=4), max_size=4))
def test_pick_keeps_what_is_selected_and_adds_nothing(value: dict[str, JsonValue], paths: list[list[str]]) -> None:
    picked = pick(value, selection_of(tuple(path) for path in paths))

    for path in paths:
        before: object = value
        after: object = picked
        for key in path:
            if not isinstance(before, dict) or key not in before:
                break
            before, after = before[key], after[key]  # type: ignore[index]  # fails the test when it is not there
        else:
            assert after == before


@given(st.text(string.printable, max_size=40))
def test_tokens_are_the_source_cut_into_pieces(source: str) -> None:
    assert "".join(token.text for token in tokens(source)) == source


@given(st.text(string.ascii_letters + "\"'`.()[]{}$|&=+ \n\\/0", max_size=40))
def test_any_source_either_compiles_or_is_refused(source: str) -> None:
    chains(source)
    try:
        returns = compile_expression(source, scope=SCOPE).returns
    except ExpressionInvalid:
        return
    assert returns


@given(st.text("${}'\"ab. ", max_size=40))
def test_any_text_is_cut_or_refused(text: str) -> None:
    try:
        parts = parse_template(text)
    except TemplateInvalid:
        return
    assert all(part for part in parts if not isinstance(part, Code)) or parts == ("",)
