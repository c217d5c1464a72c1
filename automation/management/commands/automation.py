"""`manage.py automation`: the operator's command line; it parses, hands over and says how it went."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from rich.console import Console

from automation.errors import AutomationError
from automation.management import (
    alerts,
    approvals,
    calendars,
    calls,
    comparisons,
    connections,
    dead_letters,
    doctor,
    endpoints,
    events,
    incidents,
    limits,
    moving,
    notifications,
    pauses,
    publishing,
    receiver,
    releases,
    results,
    retention,
    retrying,
    run_ends,
    runs,
    scheduler,
    schedules,
    secrets,
    tokens,
    trail,
    webhooks,
    why,
    worker,
)
from automation.management.subcommand import Parser, bad_input
from integrations.errors import IntegrationError
from workflows.errors import WorkflowError

_GROUPS = (
    approvals,
    publishing,
    releases,
    runs,
    why,
    run_ends,
    schedules,
    calendars,
    calls,
    comparisons,
    events,
    dead_letters,
    incidents,
    limits,
    connections,
    secrets,
    moving,
    pauses,
    receiver,
    webhooks,
    endpoints,
    alerts,
    notifications,
    results,
    retention,
    retrying,
    tokens,
    trail,
    doctor,
    scheduler,
    worker,
)
_FILE_WIDTH = 240
"""Columns of a table that is written to a file or a pipe."""


class Command(BaseCommand):
    """Publish, start, watch, repair and prove."""

    requires_system_checks = ()  # they are run at deploy, and load the web's modules into every process
    help = "Publish workflows, start and watch runs, repair them, and prove the audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        """This will add every subcommand of every group."""
        parser.usage = argparse.SUPPRESS  # so that a wrong argument is answered with one line
        subparsers = parser.add_subparsers(
            dest="subcommand", required=True, metavar="COMMAND", prog=parser.prog, parser_class=Parser
        )
        added = tuple(import_module(name) for name in settings.OPERATOR_COMMANDS)
        for subcommand in (subcommand for group in (*_GROUPS, *added) for subcommand in group.SUBCOMMANDS):
            subparser = subparsers.add_parser(subcommand.name, help=subcommand.help, description=subcommand.help)
            subcommand.add_arguments(subparser)
            subparser.set_defaults(handler=subcommand.run)

    def handle(self, *_args: object, **options: Any) -> None:  # Any: argparse knows no types
        """This will run the subcommand. Raises CommandError, with code 2 when what was asked for is wrong."""
        width = None if sys.stdout.isatty() else _FILE_WIDTH
        console = Console(file=sys.stdout, no_color=options["no_color"], soft_wrap=True, width=width)
        handler: Callable[[argparse.Namespace, Console], int] = options.pop("handler")
        try:
            code = handler(argparse.Namespace(**options), console)
        except (WorkflowError, AutomationError, IntegrationError) as error:
            raise bad_input(str(error)) from error
        except OperationalError as error:
            raise CommandError(f"the database does not answer: {' '.join(str(error).split())}") from error
        if code:
            raise SystemExit(code)
