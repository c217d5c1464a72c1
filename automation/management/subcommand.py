"""What a subcommand of `manage.py automation` is: a name, its arguments, and what it does."""

import argparse
import getpass
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from django.core.management.base import CommandError, CommandParser
from rich.console import Console

from audit.events import Actor, ActorKind

BAD_INPUT = 2
"""The exit code when what was asked for is wrong."""


class Parser(CommandParser):
    """Says what is wrong with the arguments in one line."""

    def error(self, message: str) -> NoReturn:
        """This will end the command with the message. Raises CommandError when a program called it."""
        if self.called_from_command_line:
            self.exit(BAD_INPUT, f"{self.prog}: {message}\n")
        raise bad_input(f"{self.prog}: {message}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subcommand:
    """One subcommand. `run` gets the parsed arguments and where to write, and gives the exit code."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Console], int]


def no_arguments(_parser: argparse.ArgumentParser) -> None:
    """This will add nothing."""


def bad_input(message: str) -> CommandError:
    """This will make the error that ends the command with one line and code 2."""
    return CommandError(" ".join(message.split()), returncode=BAD_INPUT)


def operator() -> Actor:
    """This will give the actor of the audit trail: the account that runs the command."""
    return Actor(kind=ActorKind.SYSTEM, id=f"cli:{getpass.getuser()}")
