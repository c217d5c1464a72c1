"""Judges what a definition says about the end of a run: `undo`, `finally`, `return` and `cancel`."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from workflows.core import switching
from workflows.core.building import needs_of
from workflows.core.definition import RETURN, JsonObject
from workflows.core.order import upstream_of
from workflows.core.problems import Problem, path_to
from workflows.needs_validation import needs_problems, readable_steps
from workflows.step_validation import Surroundings, lane_problems, length_problems, step_problems, undo_problems


def closing_problems(
    document: JsonObject,
    *,
    upstream: Mapping[str, frozenset[str]],
    surroundings: Surroundings,
    lanes: Collection[str] | None,
) -> Iterator[Problem]:
    """This will give everything that is wrong with the end of a run beyond its shape."""
    for step_id, step in readable_steps(document.get("steps")).items():
        yield from _undo_problems(
            step,
            at=path_to("$.steps", step_id),
            surroundings=replace(surroundings, upstream=upstream[step_id] | {step_id}, is_closing=True),
            lanes=lanes,
        )
    yield from _finally_problems(document, surroundings=surroundings, lanes=lanes)
    cancel = document.get("cancel")
    if isinstance(cancel, Mapping):
        yield from length_problems(cancel, key="grace", at="$.cancel")


def _undo_problems(
    step: JsonObject, *, at: str, surroundings: Surroundings, lanes: Collection[str] | None
) -> Iterator[Problem]:
    if "undo_when" in step and "undo" not in step:
        yield Problem(path_to(at, "undo_when"), "there is no `undo` here", "add one, or take `undo_when` out")
    undo = step.get("undo")
    if not isinstance(undo, Mapping):
        return
    path = path_to(at, "undo")
    if undo.get("uses") == RETURN:
        yield Problem(path_to(path, "uses"), "an undo cannot return: its run is ending already", "name what undoes it")
    if undo.get("uses") == switching.USES:
        yield Problem(path_to(path, "uses"), "nothing comes after an undo to choose from", "name what undoes it")
    yield from undo_problems(undo, at=path, has_item="for_each" in step, surroundings=surroundings)
    yield from lane_problems(undo, at=path, lanes=lanes)


def _finally_problems(
    document: JsonObject, *, surroundings: Surroundings, lanes: Collection[str] | None
) -> Iterator[Problem]:
    steps = readable_steps(document.get("finally"))
    needs = {step_id: needs_of(step.get("needs")) for step_id, step in steps.items()}
    upstream = upstream_of(needs)
    yield from needs_problems(steps, needs=needs, at="$.finally")
    for step_id, step in steps.items():
        at = path_to("$.finally", step_id)
        inner = replace(
            surroundings,
            upstream=upstream[step_id] | surroundings.steps,
            steps=surroundings.steps | frozenset(steps),
            dependents=frozenset(other for other, wanted in needs.items() if step_id in wanted),
            is_closing=True,
        )
        yield from step_problems(step, at=at, surroundings=inner)
        yield from lane_problems(step, at=at, lanes=lanes)
        yield from _misplaced(step, step_id=step_id, at=at, main=surroundings.steps)


def _misplaced(step: JsonObject, *, step_id: str, at: str, main: Collection[str]) -> Iterator[Problem]:
    if step_id in main:
        yield Problem(at, f"there is a step {step_id!r} in `steps`", "ids are unique in a workflow: choose another")
    if step.get("uses") == RETURN:
        yield Problem(path_to(at, "uses"), "a `finally` step cannot return: its run is ending already", "use another")
    for key in ("undo", "undo_when"):
        if key in step:
            yield Problem(path_to(at, key), "what `finally` does is not undone", "take it out")
