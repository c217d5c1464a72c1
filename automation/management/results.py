"""Sets the result of a step by hand."""

import argparse
from uuid import UUID

from django.utils import timezone
from rich.console import Console

from automation.management.runs import read_input
from automation.management.subcommand import Subcommand, operator
from workflows import operations


def _add_set_result(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=UUID, metavar="RUN")
    parser.add_argument("step", metavar="STEP")
    parser.add_argument("output", metavar="JSON|@FILE", help="what the step is to have given")
    parser.add_argument("--index", type=int, default=None, help="which item of a for_each")
    parser.add_argument("--reason", required=True, help="is written into the audit trail")


def _set_result(options: argparse.Namespace, console: Console) -> int:
    wanted = operations.SetResult(
        step=options.step, output=read_input(options.output), reason=options.reason, index=options.index
    )
    run = operations.set_result(run_id=options.run, wanted=wanted, actor=operator(), now=timezone.now())
    console.print(f"run {run.id} goes on from {wanted.place}", highlight=False, markup=False)
    return 0


SUBCOMMANDS = (
    Subcommand(
        name="set-result",
        help="have a step that failed, waits or is under way succeed with a result given by hand",
        add_arguments=_add_set_result,
        run=_set_result,
    ),
)
