"""Stores secrets, lists and deletes them, moves them to another key; a value comes from the terminal or a pipe."""

import argparse
import getpass
import os
import sys

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation.management.subcommand import Subcommand, bad_input, operator
from integrations import queries, secret_operations
from integrations.secret_stores.keys import KEY_BYTES, WrongKeys, new_key, read_ring


def _add_secrets(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=False)
    actions.add_parser("list", help="the stored secrets, without their values")
    set_to = actions.add_parser("set", help="store a secret, or give it another value: asked for, or from a pipe")
    set_to.add_argument("name")
    set_to.add_argument("--description", default=None)
    actions.add_parser("delete", help="delete a secret that nothing refers to").add_argument("name")
    actions.add_parser("rotate", help="encrypt all of them with the first key of SECRETS_KEYS")
    key = actions.add_parser("key", help="make a key for SECRETS_KEYS")
    key.add_argument("id", nargs="?", help="what the key is called; without: today")


def _secrets(options: argparse.Namespace, console: Console) -> int:
    now = timezone.now()
    match options.action:
        case "set":
            row, _ = secret_operations.set_secret(
                name=options.name, value=_value(), description=options.description, actor=operator(), now=now
            )
            console.print(f"db:{row.name} has its value {row.version}", highlight=False)
        case "delete":
            secret_operations.delete_secret(name=options.name, actor=operator(), now=now)
            console.print(f"{options.name} deleted", highlight=False)
        case "rotate":
            return _rotate(console)
        case "key":
            console.print(_key(options.id or f"{now:%Y-%m-%d}"), highlight=False, markup=False)
        case _:
            _list(console)
    return 0


def _rotate(console: Console) -> int:
    found = secret_operations.reseal(actor=operator(), now=timezone.now())
    console.print(f"{found.done} secrets were encrypted anew", highlight=False)
    for problem in found.closed.values():
        console.print(problem, highlight=False, markup=False)
    return 1 if found.closed else 0


def _list(console: Console) -> None:
    table = Table("secret", "description", "value", "given", "by", "key", "used by")
    rows = list(queries.secrets())
    users = queries.users_of_secrets([row.name for row in rows])
    for row in rows:
        used_by = ", ".join(users[row.name])
        given = f"{row.updated_at:%Y-%m-%d %H:%M}"
        table.add_row(f"db:{row.name}", row.description, str(row.version), given, row.updated_by, row.key_id, used_by)
    console.print(table)


def _value() -> str:
    """One line end at the end of a pipe is the shell's, not the secret's."""
    if sys.stdin.isatty():
        return getpass.getpass("value: ")
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")


def _key(key_id: str) -> str:
    key = new_key(key_id=key_id, random=os.urandom(KEY_BYTES))
    try:
        read_ring(key)
    except WrongKeys:
        raise bad_input(f"{key_id!r} is no id of a key: use letters, digits, . _ and -") from None
    return key


SUBCOMMANDS = (
    Subcommand(
        name="secrets",
        help="list stored secrets; store or delete one, rotate their key",
        add_arguments=_add_secrets,
        run=_secrets,
    ),
)
