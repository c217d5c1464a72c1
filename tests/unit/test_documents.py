"""Text to document: values, places, refusals."""

import pytest

from workflows.core.definition import JsonObject
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.documents import Position, content_hash, parse_document


def problem_in(text: str) -> Problem:
    with pytest.raises(DefinitionInvalid) as caught:
        parse_document(text)
    return caught.value.problems[0]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("on: 1", {"on": 1}),
        ("a: yes", {"a": "yes"}),
        ("a: [true, False, off]", {"a": [True, False, "off"]}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: [012, 0x1F, 0o17, 1_000]", {"a": [12, 31, 15, "1_000"]}),
        ("a: [1e3, .5, -2.5, .inf]", {"a": [1000.0, 0.5, -2.5, ".inf"]}),
        ("a:\nb: ~\nc: null", {"a": None, "b": None, "c": None}),
        ("a: !!str 5", {"a": "5"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ('{"a": "\\ud83d\\ude00", "b": 1e2}', {"a": "😀", "b": 100.0}),
        ('\n\t{"a": [1,\n\t2]}', {"a": [1, 2]}),
        ("{a: 1}", {"a": 1}),
    ],
)
def test_parse_document_reads_yaml_1_2_and_json(text: str, document: JsonObject) -> None:
    assert parse_document(text).document == document


def test_parse_document_knows_where_each_value_stands() -> None:
    positions = parse_document("name: x\nsteps:\n  charge:\n    needs: [a, b]\n").positions

    assert positions == {
        "$": Position(1, 1),
        "$.name": Position(1, 1),
        "$.steps": Position(2, 1),
        "$.steps.charge": Position(3, 3),
        "$.steps.charge.needs": Position(4, 5),
        "$.steps.charge.needs[0]": Position(4, 13),
        "$.steps.charge.needs[1]": Position(4, 16),
    }


@pytest.mark.parametrize(
    ("path", "line"),
    [("$.steps.a.uses", 3), ("$.steps.a.retry.first", 2), ("$.steps.a.with['x y'][3]", 2), ("$.output", 1)],
)
def test_locate_finds_the_nearest_place_that_is_written(path: str, line: int) -> None:
    parsed = parse_document("steps:\n  a:\n    uses: set\n")

    assert parsed.locate(Problem(path, "wrong")).line == line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "'c' is here twice"),
        ('{"a": 1,\n "a": 2}', 2, "'a' is here twice"),
        ("a: 1\n2: b\n", 2, "must be text"),
        ("? [a]\n: 1", 1, "must be text"),
        ("a: !!python/object:os.system x", 1, "not supported"),
        ("a: !mine [1]", 1, "not supported"),
        ("a: [", 2, "neither YAML nor JSON"),
        ("a: 1\n---\nb: 2", 2, "another document"),
        ("- a\n- b", 1, "is a mapping"),
        ("", None, "is a mapping"),
        ("a: 99999999999999999999", 1, "64 bits"),
        ("a: 1e999", 1, "too large"),
        ('a: "\\0"', 1, "NUL"),
        ("a: \ud800", None, "not valid Unicode"),
    ],
)
def test_parse_document_says_what_it_cannot_read(text: str, line: int | None, message: str) -> None:
    problem = problem_in(text)

    assert message in problem.message
    assert problem.line == line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * 300_000, "bytes long"),
        ("[" * 100_000, "nested too deeply"),
        ("a: &x [*x]", "stands in"),
        ("a: &a [1]\nb: [" + "*a, " * 60 + "]", "too many aliases"),
        (
            "a: &a [" + "1, " * 2000 + "]\nb: [" + "*a, " * 40 + "]",
            "too many values",
        ),
        ("a: [" + "1," * 120_000 + "]", "too many values"),
    ],
)
def test_parse_document_refuses_what_would_cost_too_much(text: str, message: str) -> None:
    assert message in problem_in(text).message


def test_content_hash_ignores_the_order_of_keys_and_the_form_of_the_text() -> None:
    from_yaml = parse_document("b: 2\na: [1, x]").document
    from_json = parse_document('{"a": [1, "x"], "b": 2}').document

    assert content_hash(from_yaml) == content_hash(from_json)
    assert content_hash(from_yaml) != content_hash({"a": [1, "x"], "b": 3})
