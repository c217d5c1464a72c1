"""What a definition may say about the end of a run, in documents and in Python, and what is refused with a reason."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from workflows.core.closing import Past, end_error
from workflows.core.definition import JsonObject
from workflows.core.plan import compile_plan
from workflows.core.states import Phase, StepState, UndoWhen
from workflows.dsl import Flow, Ref, StepTwice, run, undo, undo_python, workflow
from workflows.validation import find_problems, parse_definition

_SET: JsonObject = {"uses": "set", "with": {}}
_UNDO: JsonObject = {"uses": "python", "with": {"call": "shop.refund"}}


def document(steps: Mapping[str, object], **more: object) -> JsonObject:
    """This will be a definition of these steps."""
    return {"name": "closing", "steps": steps, **more}  # type: ignore[dict-item]  # JSON by construction


def found(given: JsonObject) -> dict[str, str]:
    """This will give what is wrong, by path."""
    return {problem.path: problem.message for problem in find_problems(given, uses={})}


def test_undo_is_a_step_of_its_own_with_its_own_rules() -> None:
    definition = parse_definition(
        document(
            {
                "charge": {**_SET, "queue": "io", "undo": {**_UNDO, "timeout": "7s"}, "undo_when": "attempted"},
                "lines": {**_SET, "for_each": [1, 2], "parallel": 2, "undo": {**_UNDO, "queue": "bulk"}},
            },
            defaults={"retry": {"attempts": 9}},
        ),
        uses={},
    )
    charge, lines = definition.undo_steps

    assert (charge.id, charge.undoes, charge.phase, charge.queue) == ("charge:undo", "charge", Phase.UNDO, "io")
    assert (charge.timeout_s, charge.retry.attempts, charge.undo_when) == (7.0, 9, UndoWhen.ATTEMPTED)
    assert (lines.queue, lines.for_each, lines.parallel) == ("bulk", [], 1)


def test_plan_of_a_definition_without_an_end_is_what_it_was() -> None:
    plain = compile_plan(parse_definition(document({"a": _SET, "b": {**_SET, "needs": "a"}}), uses={}))
    ended = compile_plan(
        parse_definition(document({"a": _SET, "b": {**_SET, "needs": "a"}}, **{"finally": {"z": _SET}}), uses={})
    )

    assert plain.is_straight
    assert not plain.has_closing
    assert not ended.is_straight
    assert ended.segments[: len(plain.segments)] == plain.segments
    assert (ended.main, ended.finals) == (("a", "b"), ("z",))


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        (document({"a": {**_SET, "undo_when": "attempted"}}), "$.steps.a.undo_when", "there is no `undo` here"),
        (
            document({"a": {**_SET, "undo": {"uses": "return", "with": {}}}}),
            "$.steps.a.undo.uses",
            "an undo cannot return: its run is ending already",
        ),
        (
            document({"a": {**_SET, "undo": {"uses": "mail"}}}),
            "$.steps.a.undo.uses",
            "nothing called 'mail' is installed",
        ),
        (
            document({"a": _SET}, **{"finally": {"a": _SET}}),
            "$.finally.a",
            "there is a step 'a' in `steps`",
        ),
        (
            document({"a": _SET}, **{"finally": {"z": {**_SET, "needs": "a"}}}),
            "$.finally.z.needs",
            "there is no step 'a'",
        ),
        (
            document({"a": _SET}, **{"finally": {"z": {**_SET, "undo": _UNDO}}}),
            "$.finally.z.undo",
            "what `finally` does is not undone",
        ),
        (
            document({"a": _SET}, **{"finally": {"z": {"uses": "return", "with": {}}}}),
            "$.finally.z.uses",
            "a `finally` step cannot return: its run is ending already",
        ),
        (
            document({"a": {"uses": "return", "for_each": [1]}}),
            "$.steps.a.for_each",
            "`return` ends the run once: it has no items",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(given: JsonObject, path: str, message: str) -> None:
    assert found(given)[path] == message


def test_expressions_see_their_own_part_of_the_run() -> None:
    steps = {
        "a": {**_SET, "with": {"x": "${{ run.ending }}"}},
        "b": {**_SET, "undo": {**_UNDO, "with": {"call": "x", "args": {"was": "${{ steps.b.output.id }}"}}}},
        "c": {**_SET, "undo": {**_UNDO, "with": {"call": "x", "args": {"was": "${{ steps.b.output.id }}"}}}},
    }
    last = {"z": {**_SET, "with": {"x": "${{ run.ending + steps.a.state }}", "e": "${{ run.error.message }}"}}}

    wrong = found(document(steps, **{"finally": last}))

    assert set(wrong) == {"$.steps.a.with.x", "$.steps.c.undo.with.args.was"}


def test_python_authoring_gives_the_same_document() -> None:
    @workflow(name="closing-in-python", undo="on_demand", cancel={"grace": "30s", "undo": True})
    def declared(flow: Flow, input: Ref) -> None:  # noqa: A002  # the word of the document
        charge = flow.step(
            "charge",
            uses="set",
            inputs={"id": input.id},
            undo=undo_python("shop.refund", args={"id": Ref("steps.charge.output.id")}, timeout="9s"),
            undo_when="attempted",
        )
        flow.step("call", uses="set", undo=undo("set", {"a": 1}))
        flow.end_early("enough", {"id": charge.output.id}, condition="input.id > 3")
        flow.at_end.set("tell", {"how": run.ending, "id": charge.output.id})
        flow.at_end.set("after", {"x": 1}, needs="tell")
        with pytest.raises(StepTwice):
            flow.at_end.set("charge", {})

    assert found(declared.document) == {}
    steps = declared.document["steps"]
    assert isinstance(steps, Mapping)
    assert steps["charge"] == {
        "uses": "set",
        "with": {"id": "${{ input.id }}"},
        "undo": {
            "uses": "python",
            "with": {"call": "shop.refund", "args": {"id": "${{ steps.charge.output.id }}"}},
            "timeout": "9s",
        },
        "undo_when": "attempted",
    }
    assert steps["enough"]["uses"] == "return"  # type: ignore[index,call-overload]  # a mapping, as it is written
    assert declared.document["finally"] == {
        "tell": {"uses": "set", "with": {"how": "${{ run.ending }}", "id": "${{ steps.charge.output.id }}"}},
        "after": {"uses": "set", "with": {"x": 1}, "needs": "tell"},
    }
    assert (declared.document["undo"], declared.document["cancel"]) == ("on_demand", {"grace": "30s", "undo": True})


def test_error_of_a_run_says_what_is_not_undone_and_keeps_the_first_one() -> None:
    definition = parse_definition(document({"a": {**_SET, "undo": _UNDO}, "b": {**_SET, "undo": _UNDO}}), uses={})
    at = datetime(2026, 1, 1, tzinfo=UTC)
    past = {"a": Past(state=StepState.SUCCEEDED, ended_at=at), "b:undo": Past(state=StepState.FAILED, ended_at=at)}
    first: JsonObject = {"kind": "error", "message": "boom", "step": "b"}
    plan = compile_plan(definition)

    told = end_error(plan, error=first, is_as_meant=True, is_undoing=True, past=past)
    other = end_error(plan, error=None, is_as_meant=False, is_undoing=True, past=past)

    assert told == {
        "kind": "error",
        "message": "boom; not undone: a",
        "step": "b",
        "not_undone": ["a"],
        "before": first,
    }
    assert other is not None
    assert (other["kind"], other["step"], other["before"]) == ("undo", "a:undo", None)
    assert end_error(plan, error=first, is_as_meant=True, is_undoing=False, past=past) is first
