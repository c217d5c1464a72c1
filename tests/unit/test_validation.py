"""Whole definitions: what they come to when they are right, and every problem when they are not."""

from collections.abc import Collection, Mapping

import pytest

from workflows.core.deadlines import DeadlineRule
from workflows.core.definition import Jitter, JsonObject, JsonValue, RetryPolicy
from workflows.core.problems import DefinitionInvalid, Problem
from workflows.core.states import FailureKind, JoinRule
from workflows.definition_schema import definition_schema, published_schema
from workflows.documents import parse_document
from workflows.schema import Schema, schema_problems
from workflows.validation import BUILT_IN_USES, find_problems, parse_definition, restore_definition

HTTP: JsonObject = {
    "type": "object",
    "properties": {
        "method": {"enum": ["GET", "POST"]},
        "path": {"type": "string"},
        "url": {"type": "string", "pattern": "^https?://"},
        "json": {},
        "expect_status": {
            "anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer", "minimum": 200}}]
        },
    },
    "oneOf": [{"required": ["path"]}, {"required": ["url"]}],
    "additionalProperties": False,
}
USES: Mapping[str, JsonObject] = {"http.request": HTTP}
FUNCTIONS = frozenset({"shop.book_line"})


def problems_of(text: str, *, functions: Collection[str] | None = FUNCTIONS) -> list[Problem]:
    document = parse_document(text).document
    return find_problems(document, uses=USES, functions=functions, lanes=("critical", "default", "bulk", "io"))


def only_problem(step: str, *, before: str = "") -> Problem:
    """This will give the one problem of a workflow whose step `s` is written so."""
    text = f"name: test\nsteps:\n  first: {{uses: set}}\n{before}  s: {step}\n"
    (problem,) = problems_of(text)
    return problem


def test_name_that_is_an_address_of_the_api_is_refused() -> None:
    (problem,) = problems_of("name: check\nsteps: {s: {uses: set}}")

    assert (problem.path, problem.hint) == ("$.name", "choose another name")


def test_definition_has_everything_the_document_says() -> None:
    document = parse_document("""
        name: order-to-cash
        description: Charges and books.
        input: {type: object}
        deadline: 2h
        defaults: {queue: io, timeout: 10s, retry: {attempts: 3, first: 2s, budget: null}}
        steps:
          charge:
            uses: http.request
            connection: payments
            if: "${{ input.total > 0 }}"
            with: {method: POST, path: /charges}
            retry: {factor: 3, cap: 1m, jitter: none, on: [unavailable, throttled]}
          lines:
            needs: charge
            when: none_failed
            for_each: "${{ input.lines }}"
            parallel: 20
            uses: python
            with: {call: shop.book_line, args: {line: "${{ item }}"}}
            queue: bulk
            timeout: 1.5
          fixed: {needs: [charge, lines], for_each: [1, 2], if: true, uses: set}
        output: {charge: "${{ steps.charge.output.id }}"}
    """).document
    definition = parse_definition(document, uses=USES, functions=FUNCTIONS)
    charge, lines, fixed = definition.steps

    assert (definition.name, definition.deadline) == ("order-to-cash", DeadlineRule(after_s=7200.0))
    assert definition.output == {"charge": "${{ steps.charge.output.id }}"}
    assert charge.condition == "input.total > 0"
    assert (charge.queue, charge.timeout_s, charge.connection) == ("io", 10.0, "payments")
    assert charge.retry == RetryPolicy(
        attempts=3,
        first_s=2.0,
        factor=3.0,
        cap_s=60.0,
        jitter=Jitter.NONE,
        budget_s=None,
        on=frozenset({FailureKind.UNAVAILABLE, FailureKind.THROTTLED}),
    )
    assert (lines.needs, lines.when, lines.for_each) == (("charge",), JoinRule.NONE_FAILED, "input.lines")
    assert (lines.parallel, lines.queue, lines.timeout_s) == (20, "bulk", 1.5)
    assert (fixed.needs, fixed.condition, fixed.for_each) == (("charge", "lines"), "true", [1, 2])
    assert restore_definition(document) == definition


def test_definition_without_defaults_takes_those_of_the_engine() -> None:
    definition = parse_definition({"name": "x", "steps": {"a": {"uses": "set"}}}, uses={})

    assert definition.step(step_id="a").retry == RetryPolicy()
    assert definition.step(step_id="a").queue == "default"
    assert definition.deadline is None


@pytest.mark.parametrize(
    ("step", "path", "message", "hint"),
    [
        ("{uses: set, nedds: first}", "$.steps.s.nedds", "no key 'nedds'", "'needs'"),
        ("{needs: first}", "$.steps.s", "`uses` is missing", ""),
        ("5", "$.steps.s", "must be a mapping, not 5", ""),
        ("{uses: set, needs: frist}", "$.steps.s.needs", "no step 'frist'", "'first'"),
        ("{uses: set, needs: [first, x]}", "$.steps.s.needs[1]", "no step 'x'", "known steps: first"),
        ("{uses: set, needs: [first, first]}", "$.steps.s.needs", "non-unique", ""),
        ("{uses: set, needs: s}", "$.steps.s.needs", "waits for itself", "own needs"),
        ("{uses: set, when: all_succes}", "$.steps.s.when", "not allowed", "'all_success'"),
        ("{uses: set, queue: slow}", "$.steps.s.queue", "no lane 'slow'", "known lanes: bulk"),
        ("{uses: http.reqest}", "$.steps.s.uses", "'http.reqest' is installed", "'http.request'"),
        ("{uses: set, connection: x}", "$.steps.s.connection", "no outside system", ""),
        ("{uses: set, parallel: 2}", "$.steps.s.parallel", "there is none", "for_each"),
        ("{uses: set, for_each: [1], parallel: 0}", "$.steps.s.parallel", "minimum of 1", ""),
        ("{uses: set, for_each: [1], parallel: 1001}", "$.steps.s.parallel", "maximum of 1000", ""),
        ("{uses: set, for_each: '1 + 1'}", "$.steps.s.for_each", "must give a list, this gives int", ""),
        ("{uses: set, for_each: 'x ${{ input.a }}'}", "$.steps.s.for_each", "must be one expression", ""),
        ("{uses: set, for_each: ['${{ item }}']}", "$.steps.s.for_each[0]", "`item` exists only", ""),
        ("{uses: set, if: '${{ 1 }}'}", "$.steps.s.if", "this gives int", ""),
        ("{uses: set, if: '${{ input.a'}", "$.steps.s.if", "is not closed", ""),
        ("{uses: set, if: 'item > 1', for_each: [1]}", "$.steps.s.if", "`item` exists only", ""),
        ("{uses: set, timeout: 5 min}", "$.steps.s.timeout", "not a length of time", ""),
        ("{uses: set, timeout: 0s}", "$.steps.s.timeout", "longer than nothing", ""),
        ("{uses: set, timeout: {start_to_close: 0}}", "$.steps.s.timeout.start_to_close", "longer than nothing", ""),
        ("{uses: set, timeout: {schedule_to_close: x}}", "$.steps.s.timeout.schedule_to_close", "not a length", ""),
        ("{uses: set, timeout: {close: 1s}}", "$.steps.s.timeout.close", "no key", "schedule_to_close"),
        (
            "{uses: set, for_each: [1], timeout: {schedule_to_start: 1s}}",
            "$.steps.s.timeout.schedule_to_start",
            "many items",
            "start_to_close",
        ),
        ("{uses: set, timeout: true}", "$.steps.s.timeout", "a number or text, not true", ""),
        ("{uses: set, retry: {frist: 1s}}", "$.steps.s.retry.frist", "no key", "'first'"),
        ("{uses: set, retry: {first: 9s, cap: 1s}}", "$.steps.s.retry.cap", "shorter than `first`", ""),
        ("{uses: set, retry: {on: [refused]}}", "$.steps.s.retry.on[0]", "not allowed", "error, lost"),
        (
            "{uses: set, with: {a: '${{ steps.first.output }}'}}",
            "$.steps.s.with.a",
            "not end before",
            "needs",
        ),
        ("{uses: set, with: {a: ['${{ 1 + }}']}}", "$.steps.s.with.a[0]", "does not compile", ""),
        ("{uses: set, with: {a: '${{ item }}'}}", "$.steps.s.with.a", "`item` exists only", ""),
        ("{uses: switch, with: {value: 1, cases: {a: first}}}", "$.steps.s.with.cases.a", "not need", "add 's'"),
        ("{uses: switch, with: {value: 1, cases: {a: [x]}}}", "$.steps.s.with.cases.a[0]", "no step 'x'", "first"),
        ("{uses: switch, with: {value: 1, cases: {a: '${{ 1 }}'}}}", "$.steps.s.with.cases.a", "not computed", ""),
        ("{uses: switch, with: {value: 1}}", "$.steps.s.with", "`cases` is missing", ""),
        ("{uses: switch, for_each: [1], with: {conditions: [{if: true, then: []}]}}", "$.steps.s.for_each", "once", ""),
        ("{uses: switch, with: {conditions: [{if: 1 + 1, then: []}]}}", "$.steps.s.with.conditions[0].if", "int", ""),
        ("{uses: set, on_failure: collect}", "$.steps.s.on_failure", "there is none", "add `for_each`"),
        ("{uses: set, for_each: [1], on_failure: x}", "$.steps.s.on_failure", "not allowed", "fail_fast"),
        ("{uses: set, for_each: [1], on_failure: {threshold: '101%'}}", "$.steps.s.on_failure.threshold", "share", ""),
        (
            "{uses: set, repeat_until: {condition: '1', every: 1, times: 2}}",
            "$.steps.s.repeat_until.condition",
            "int",
            "",
        ),
        (
            "{uses: set, repeat_until: {condition: output.ok, every: x, times: 2}}",
            "$.steps.s.repeat_until.every",
            "leng",
            "",
        ),
        ("{uses: set, repeat_until: {condition: output.ok, every: 1}}", "$.steps.s.repeat_until", "`times`", ""),
        ("{uses: set, if: output.ok}", "$.steps.s.if", "output", ""),
        ("{uses: python}", "$.steps.s.with", "`call` is missing", ""),
        (
            "{uses: python, with: {call: shop.bok_line}}",
            "$.steps.s.with.call",
            "is registered",
            "shop.book_line",
        ),
        ("{uses: python, with: {call: '${{ input.f }}'}}", "$.steps.s.with.call", "not computed", ""),
        ("{uses: http.request, with: {path: /x}}", "$.steps.s.with.path", "needs a `connection`", "`url`"),
        ("{uses: http.request, with: {url: ftp://x}}", "$.steps.s.with.url", "does not match", ""),
        (
            "{uses: http.request, with: {url: http://x, methd: GET}}",
            "$.steps.s.with.methd",
            "no key",
            "'method'",
        ),
        (
            "{uses: http.request, with: {url: http://x, expect_status: [5]}}",
            "$.steps.s.with.expect_status[0]",
            "5",
            "",
        ),
    ],
)
def test_problem_says_where_and_what_would_be_right(step: str, path: str, message: str, hint: str) -> None:
    problem = only_problem(step)

    assert problem.path == path
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        ("steps: {a: {uses: set}}", "$", "`name` is missing"),
        ("name: x", "$", "`steps` is missing"),
        ("name: Big Name\nsteps: {a: {uses: set}}", "$.name", "lower-case words"),
        ("name: x\nsteps: {}", "$.steps", "must not be empty"),
        ("name: x\nsteps: [a]", "$.steps", "must be a mapping, not a list"),
        ("name: x\nsteps: {Bad-Id: {uses: set}}", "$.steps['Bad-Id']", "cannot be a name"),
        ("name: x\nsteps: {in: {uses: set}}", "$.steps.in", "word of the expression language"),
        ("name: x\nsteps: {a: {uses: set}}\nparallelism: 1", "$.parallelism", "no key"),
        ("name: x\nsteps: {a: {uses: set}}\ndeadline: 0", "$.deadline", "longer than nothing"),
        (
            "name: x\nsteps: {a: {uses: set}}\ndefaults: {retry: {first: x}}",
            "$.defaults.retry.first",
            "length of time",
        ),
        ("name: x\nsteps: {a: {uses: set}}\noutput: '${{ steps.b.output }}'", "$.output", "no step 'b'"),
        (
            "name: x\nsteps: {a: {uses: set}}\ninput: {type: objekt}",
            "$.input.type",
            "'objekt' is not allowed",
        ),
        ("name: x\nsteps: {a: {uses: set}}\ninput: {$ref: 'http://x/y'}", "$.input", "another document"),
        (
            "name: x\nsteps: {a: {uses: set}}\ninput: {$schema: 'http://x'}",
            "$.input['$schema']",
            "only JSON Schema",
        ),
        ("name: x\nsteps: {a: {uses: set}}\ninput: {pattern: '('}", "$.input.pattern", "not a valid regex"),
    ],
)
def test_problem_of_the_whole_document(text: str, path: str, message: str) -> None:
    (problem,) = problems_of(text)

    assert problem.path == path
    assert message in problem.message


def test_cycle_is_named_step_by_step() -> None:
    problem = only_problem(
        "{uses: set, needs: b}", before="  a: {uses: set, needs: s}\n  b: {uses: set, needs: [first, a]}\n"
    )

    assert problem.message == "these steps wait for each other: a -> s -> b -> a"
    assert problem.path == "$.steps.a.needs"


def test_all_problems_are_found_at_once() -> None:
    with pytest.raises(DefinitionInvalid) as caught:
        parse_definition(
            parse_document("""
                name: Wrong Name
                deadline: soon
                steps:
                  a: {uses: nothing, needs: b, timeout: x}
                  b: {uses: set, needs: [a, c], with: {x: "${{ foo }}"}, parallel: 2}
                output: "${{ steps.d.output }}"
            """).document,
            uses={},
        )

    assert {problem.path for problem in caught.value.problems} == {
        "$.name",
        "$.deadline",
        "$.steps.a.uses",
        "$.steps.a.timeout",
        "$.steps.a.needs",
        "$.steps.b.needs[1]",
        "$.steps.b.with.x",
        "$.steps.b.parallel",
        "$.output",
    }


@pytest.mark.parametrize(
    "inputs",
    [
        "{method: '${{ input.m }}', url: '${{ input.u }}'}",
        "{method: GET, url: 'https://x/${{ input.id }}', expect_status: '${{ input.s }}'}",
        "{method: GET, url: http://x, expect_status: ['${{ input.s }}', 404]}",
    ],
)
def test_template_fits_wherever_a_value_is_wanted(inputs: str) -> None:
    assert problems_of(f"name: x\nsteps: {{a: {{uses: http.request, with: {inputs}}}}}") == []


def test_template_excuses_nothing_beside_it() -> None:
    text = "name: x\nsteps: {a: {uses: http.request, with: {url: '${{ input.u }}', method: PUT}}}"

    assert [problem.path for problem in problems_of(text)] == ["$.steps.a.with.method"]


def test_function_arguments_are_checked_when_their_schemas_are_known() -> None:
    schema: JsonObject = {
        "required": ["line"],
        "properties": {"line": {"type": "object"}, "count": {"type": "integer"}},
        "additionalProperties": False,
    }
    text = (
        "name: x\nsteps: {a: {uses: python, with: {call: shop.book_line, args: {count: two, lin: 1}}},"
        " b: {uses: python, with: {call: shop.book_line, args: {line: '${{ input.line }}'}}}}"
    )

    assert {problem.path for problem in problems_of(text, functions={"shop.book_line": schema})} == {
        "$.steps.a.with.args",
        "$.steps.a.with.args.count",
        "$.steps.a.with.args.lin",
    }


def test_a_definition_may_have_a_thousand_steps_and_no_more() -> None:
    steps: dict[str, JsonValue] = {f"s{number}": {"uses": "set"} for number in range(1000)}
    assert find_problems({"name": "x", "steps": steps}, uses={}) == []

    steps["one_more"] = {"uses": "set"}
    assert [problem.path for problem in find_problems({"name": "x", "steps": steps}, uses={})] == ["$.steps"]


def test_published_schema_is_a_schema_and_accepts_what_validation_accepts() -> None:
    document: JsonObject = {
        "name": "x",
        "steps": {"a": {"uses": "http.request", "with": {"url": "${{ input.u }}", "method": "${{ input.m }}"}}},
    }
    schema = published_schema({**BUILT_IN_USES, **USES})

    assert schema_problems(schema) == []
    assert Schema(schema).problems(document) == []
    assert Schema(definition_schema()).problems(document) == []


def test_lane_of_the_defaults_must_exist_too_and_a_fairness_key_must_compile() -> None:
    text = "{name: x, defaults: {queue: bulky}, fairness: {key: '${{ inptu.a }}', weight: 0}, steps: {a: {uses: set}}}"

    found = {problem.path: problem for problem in problems_of(text)}

    assert set(found) == {"$.defaults.queue", "$.fairness.key", "$.fairness.weight"}
    assert found["$.defaults.queue"].hint == "did you mean 'bulk'?"


def test_published_schema_names_the_lanes_there_are() -> None:
    schema = Schema(published_schema(BUILT_IN_USES, lanes=["default", "nightly"]))

    assert schema.is_valid({"name": "x", "steps": {"a": {"uses": "set", "queue": "nightly"}}})
    assert not schema.is_valid({"name": "x", "steps": {"a": {"uses": "set", "queue": "bulk"}}})


def test_published_schema_refuses_uses_that_are_not_installed() -> None:
    schema = Schema(published_schema({**BUILT_IN_USES, **USES}))

    assert not schema.is_valid({"name": "x", "steps": {"a": {"uses": "soap.call"}}})
    assert not schema.is_valid({"name": "x", "steps": {"a": {"uses": "python", "with": {"cal": "f.g"}}}})


@pytest.mark.parametrize(
    ("inputs", "path", "message"),
    [
        ("{for: 1h, until: '2026-01-31T08:00:00Z'}", "until", "cannot stand beside"),
        ("{event: {type: paid}}", "event", "`key` is missing"),
        ("{event: {type: paid, key: true}}", "event.key", "must be a whole number or text"),
        ("{event: {type: paid, key: k, matches: x}}", "event.matches", "there is no key"),
        ("{event: {type: paid, key: k}, on_timeout: continue}", "on_timeout", "however long it takes"),
        ("{event: {type: paid, key: k}, for: 1h, on_timeout: stop}", "on_timeout", "is not allowed"),
        ("{for: 1h, on_timeout: fail}", "", "event"),
        ("{event: {type: paid, key: k, match: event.data.}}", "event.match", ""),
        ("{event: {type: paid, key: k, match: '1 + 1'}}", "event.match", "true or false"),
        ("{event: {type: paid, key: k, match: steps.other.output.x}}", "event.match", ""),
        ("{event: {type: paid, key: '${{ event.id }}'}}", "event.key", ""),
    ],
)
def test_wait_that_cannot_end_as_it_says_is_refused(inputs: str, path: str, message: str) -> None:
    text = f"name: n\nsteps:\n  s: {{uses: wait, with: {inputs}}}\n"

    (problem,) = problems_of(text)

    assert problem.path == f"$.steps.s.with{'.' if path else ''}{path}"
    assert message in problem.message


def test_match_sees_event_input_and_earlier_steps() -> None:
    text = """
name: n
steps:
  first: {uses: set, with: {least: 3}}
  s:
    needs: first
    uses: wait
    with: {event: {type: paid, key: "${{ input.key }}", match: "event.data.sum >= steps.first.output.least"}, for: 1h}
"""
    assert not problems_of(text)
