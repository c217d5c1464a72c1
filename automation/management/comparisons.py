"""Compares two runs, or two versions of a workflow."""

import argparse
from collections.abc import Iterable
from uuid import UUID

import orjson
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from automation.management.subcommand import Subcommand
from workflows import comparing, queries, version_changes
from workflows.core.comparison import Comparison, StepPair, StepSide
from workflows.core.definition import JsonValue
from workflows.core.differences import Change, Differences
from workflows.version_changes import VersionChanges

_VALUE_CHARS = 80
_SIGNS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}
_LINES = {"+": "green", "-": "red", "@": "cyan"}


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("left", type=UUID, metavar="RUN")
    parser.add_argument("right", type=UUID, metavar="OTHER")
    parser.add_argument("--all", action="store_true", help="show the steps that are the same, too")


def _compare(options: argparse.Namespace, console: Console) -> int:
    found = comparing.compare(left=options.left, right=options.right)
    for name, side in (("left", found.left), ("right", found.right)):
        told = f"{name}: {side.id} {side.workflow} v{side.version} {side.state} in {_seconds(side.duration_s)}"
        console.print(told, highlight=False, markup=False)
    for part, differences in (("input", found.input), ("output", found.output), ("error", found.error)):
        _tell(differences, about=part, console=console)
    _tell_steps(found, is_all=options.all, console=console)
    if found.is_same:
        console.print("the same", highlight=False)
    elif found.diverges_at:
        console.print(f"they part at {found.diverges_at}", highlight=False, markup=False)
    return 0


def _tell_steps(found: Comparison, *, is_all: bool, console: Console) -> None:
    pairs = [pair for pair in found.steps if is_all or not pair.is_same]
    if not pairs:
        return
    table = Table("step", "left", "right", "left took", "right took", "differs")
    for pair in pairs:
        table.add_row(
            escape(pair.step),
            _side(pair.left),
            _side(pair.right),
            _seconds(None if pair.left is None else pair.left.duration_s),
            _seconds(None if pair.right is None else pair.right.duration_s),
            escape(_places(pair)),
        )
    console.print(table)


def _places(pair: StepPair) -> str:
    paths = [f"output {one.path}" for one in pair.output.found] + [f"error {one.path}" for one in pair.error.found]
    return ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _side(side: StepSide | None) -> str:
    if side is None:
        return "no such step"
    items = ", ".join(f"{number} {state}" for state, number in side.items.items())
    return f"{side.state}, {items}" if items else side.state


def _add_diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="name of the workflow")
    parser.add_argument("before", type=int, metavar="VERSION")
    parser.add_argument("after", type=int, metavar="OTHER")
    parser.add_argument("--text", action="store_true", help="show the sources as a unified diff")


def _diff(options: argparse.Namespace, console: Console) -> int:
    workflow = queries.get_workflow(name=options.name)
    found = version_changes.between(workflow=workflow, before=options.before, after=options.after)
    if options.text:
        for line in found.unified:
            console.print(line, style=_LINES.get(line[:1]), highlight=False, markup=False)
        return 0
    _tell_changes(found, console=console)
    return 0


def _tell_changes(found: VersionChanges, *, console: Console) -> None:
    if found.changes.is_same:
        console.print("the same", highlight=False)
    for step in found.changes.steps:
        told = f"{_SIGNS[step.change]} step {step.step} {step.change}"
        if step.is_meaning_same:
            told += ", which means the same"
        needs = [*(f"+{need}" for need in step.needs_added), *(f"-{need}" for need in step.needs_removed)]
        told += f"; needs {' '.join(needs)}" if needs and step.change is Change.CHANGED else ""
        console.print(told, highlight=False, markup=False)
        if step.change is Change.CHANGED:
            _tell(step.differences, about="", console=console)
    for step_id in found.changes.inherited:
        console.print(f"~ step {step_id} means something else, by defaults", highlight=False, markup=False)
    _tell(found.changes.rest, about="", console=console)


def _tell(differences: Differences, *, about: str, console: Console) -> None:
    for one in differences.found:
        values = {
            Change.ADDED: (one.after,),
            Change.REMOVED: (one.before,),
            Change.CHANGED: (one.before, one.after),
        }[one.change]
        told = f"  {_SIGNS[one.change]} {about} {one.path}: {_shown(values)}".replace("  $", " $")
        console.print(told, highlight=False, markup=False)
    if differences.is_cut:
        console.print("  ... and more", highlight=False)


def _shown(values: Iterable[JsonValue]) -> str:
    texts = (orjson.dumps(value).decode() for value in values)
    return " -> ".join(text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 3]}..." for text in texts)


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.3f} s"


SUBCOMMANDS = (
    Subcommand(name="compare", help="compare two runs", add_arguments=_add_compare, run=_compare),
    Subcommand(name="diff", help="compare two versions of a workflow", add_arguments=_add_diff, run=_diff),
)
