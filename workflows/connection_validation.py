"""Judges the connections a definition names against those there are; it never reads one."""

from collections.abc import Collection, Iterator, Mapping

from workflows.core.definition import JsonObject
from workflows.core.problems import Problem, path_to

_SECTIONS = ("steps", "finally")


def named(document: JsonObject) -> Collection[str]:
    """This will give the names of the connections that steps and undo steps name."""
    return {str(step["connection"]) for _, step in _steps(document)}


def connection_problems(
    document: JsonObject, *, wanted: Mapping[str, str], known: Mapping[str, str]
) -> Iterator[Problem]:
    """This will give every step whose connection is of another kind than it uses.

    `wanted` has the kind that each use needs, `known` the kind of each connection there is. One that is not there yet
    may still be made: it is no problem here.
    """
    for at, step in _steps(document):
        name, uses = str(step["connection"]), str(step.get("uses"))
        if uses in wanted and name in known and wanted[uses] != known[name]:
            message = f"{uses} needs a connection of the kind {wanted[uses]!r}, {name} is of the kind {known[name]!r}"
            yield Problem(path_to(at, "connection"), message, "name another connection, or mend what the step uses")


def _steps(document: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Everything that names a connection, with its path; what is misshapen is judged elsewhere."""
    for section in _SECTIONS:
        steps = document.get(section)
        for step_id, step in steps.items() if isinstance(steps, Mapping) else ():
            at = path_to(f"$.{section}", step_id)
            yield from _naming(step, at=at)
            if isinstance(step, Mapping):
                yield from _naming(step.get("undo"), at=path_to(at, "undo"))


def _naming(step: object, *, at: str) -> Iterator[tuple[str, JsonObject]]:
    if isinstance(step, Mapping) and isinstance(step.get("connection"), str):
        yield at, step
