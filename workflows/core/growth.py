"""Further steps that a step of a run has returned: the document and the plan of the run with them; pure.

The laws it keeps: what the run has is left as it is, so that nobody who is at work somewhere in it has to know; the new
steps begin after the step that returned them; whatever waited for that step waits for all of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from workflows.core.building import needs_of
from workflows.core.definition import Definition, JsonObject, JsonValue
from workflows.core.plan import Plan, Segment, compile_plan
from workflows.core.problems import Problem, path_to


@dataclass(frozen=True, slots=True, kw_only=True)
class Grow:
    """What a Python step returns to have its run go on with further steps, as they stand in a definition.

    They begin when it has ended, need it and each other only, and what comes behind it waits for all of them.
    `output` is the output of the step itself.
    """

    steps: Mapping[str, JsonObject]
    output: JsonValue = None


def grown_document(document: JsonObject, *, step: str, steps: Mapping[str, JsonObject]) -> JsonObject:
    """This will give the document of a run whose step has returned these; what cannot be a step of it is left out.

    Steps that need none of each other need the one that returned them; each `needs` of that one grows.
    """
    before = _steps(document)
    new = {one: _tied(written, to=step) for one, written in steps.items() if _may_be_added(one, written, to=before)}
    behind = {
        other: {**written, "needs": [*needs_of(written.get("needs")), *new]}
        for other, written in before.items()
        if step in needs_of(written.get("needs"))
    }
    return {**document, "steps": {**before, **behind, **new}}


def growth_problems(document: JsonObject, *, step: str, steps: Mapping[str, object]) -> Iterator[Problem]:
    """This will give what is wrong with returned steps beyond what is wrong with any step."""
    before = _steps(document)
    for one, written in steps.items():
        path = path_to("$.steps", one)
        if one in before:
            yield Problem(path, f"there is a step {one!r} in this run already", "ids are unique in a run")
        elif not isinstance(written, Mapping):
            yield Problem(path, f"a step is a mapping, not {type(written).__name__}")
        else:
            for need in needs_of(written.get("needs")):
                if need != step and need not in steps:
                    hint = f"it may need {step!r} and the steps that were returned with it"
                    yield Problem(path_to(path, "needs"), f"{need!r} is none of them", hint)


def is_about(problem: Problem, *, steps: Mapping[str, JsonObject]) -> bool:
    """This will tell whether a problem of a grown document is one of its new steps, or of how many there are."""
    paths = [path_to("$.steps", one) for one in steps]
    return problem.path == "$.steps" or any(
        problem.path == path or problem.path.startswith((f"{path}.", f"{path}[")) for path in paths
    )


def grown_plan(plan: Plan, *, definition: Definition, step: str, steps: Sequence[str]) -> Plan:
    """This will give the plan of the run with the steps: the segments there are stay, and new ones come behind them."""
    known = plan.place_of.keys()
    fresh = compile_plan(definition)
    segments = list(plan.segments)
    for segment in fresh.segments:
        new = tuple(one for one in segment.steps if one not in known)
        if new:
            segments.append(
                Segment(index=len(segments), steps=new, lane=segment.lane, is_map=segment.is_map, limits=segment.limits)
            )
    return Plan(definition=definition, segments=tuple(segments), grown={**plan.grown, step: tuple(steps)})


def _may_be_added(one: str, written: object, *, to: Mapping[str, JsonObject]) -> bool:
    return one not in to and isinstance(written, Mapping)


def _tied(written: JsonObject, *, to: str) -> JsonObject:
    return written if needs_of(written.get("needs")) else {**written, "needs": to}


def _steps(document: JsonObject) -> Mapping[str, JsonObject]:
    steps = document["steps"]
    if not isinstance(steps, Mapping):
        raise TypeError("a published document has a mapping of steps")
    return steps  # type: ignore[return-value]  # of a document that was checked
