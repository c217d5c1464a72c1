"""Publishes workflows from files, or all that are declared in Python."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from django.utils import timezone
from rich.console import Console

from automation.management.subcommand import Subcommand, bad_input, operator
from workflows import operations, registry
from workflows.core.problems import DefinitionInvalid


def _add_publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="YAML or JSON; without: all declared in Python"
    )


def _publish(options: argparse.Namespace, console: Console) -> int:
    for name, source in _sources(options.files):
        try:
            version, is_new = operations.publish(source=source, actor=operator(), now=timezone.now())
        except DefinitionInvalid as error:
            for problem in error.problems:
                console.print(f"{name}: {problem}", markup=False, highlight=False)
            raise bad_input(f"{name}: {len(error.problems)} problems, nothing was published of it") from error
        state = "published" if is_new else "unchanged"
        console.print(f"{version.workflow.name} v{version.number} {state}", highlight=False)
    return 0


SUBCOMMANDS = (
    Subcommand(
        name="publish",
        help="publish workflows; a new version is made only when the content has changed",
        add_arguments=_add_publish,
        run=_publish,
    ),
)
