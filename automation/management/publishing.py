"""Publishes workflows from files, or all that are declared in Python."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
from django.utils import timezone
from rich.console import Console

from automation.management import releases
from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import dsl, operations
from workflows.core.problems import DefinitionInvalid


def _add_publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="YAML or JSON; without: all declared in Python"
    )
    share = "only this share of the starts gets it, in percent: a canary"
    parser.add_argument("--canary", type=float, default=None, metavar="PERCENT", help=share)
    releases.add_rule(parser)


def _publish(options: argparse.Namespace, console: Console) -> int:
    if not options.files and not dsl.workflows():
        console.print("no installed app declares a workflow in Python: nothing to publish", highlight=False)
    canary = None if options.canary is None else releases.read_canary(options, percent=options.canary)
    for name, source in _sources(options.files):
        try:
            version, is_new = operations.publish(source=source, actor=operator(), now=timezone.now(), canary=canary)
        except DefinitionInvalid as error:
            for problem in error.problems:
                console.print(f"{name}: {problem}", markup=False, highlight=False)
            raise bad_input(f"{name}: {len(error.problems)} problems, nothing was published of it") from error
        published = "published" if canary is None else f"published for {canary.percent:g} % of the starts"
        state = published if is_new else "unchanged"
        console.print(f"{version.workflow.name} v{version.number} {state}", highlight=False)
    return 0


def _sources(files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Name and text of everything that is to be published."""
    if not files:
        for declared in dsl.workflows():
            yield declared.origin, orjson.dumps(declared.document, option=orjson.OPT_INDENT_2).decode()
    for file in files:
        try:
            yield str(file), file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise bad_input(f"{file}: {error}") from error


SUBCOMMANDS = (
    Subcommand(
        name="publish",
        help="publish workflows; a new version is made only when the content has changed",
        add_arguments=_add_publish,
        run=_publish,
    ),
)
