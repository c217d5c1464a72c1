"""Creates, lists and revokes API tokens."""

import argparse
from datetime import timedelta

from django.utils import timezone
from rich.console import Console
from rich.table import Table

from automation import operations, queries
from automation.management.subcommand import Subcommand, operator
from workflows.access import Scope


def _add_token(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", help="create a token and print it, once")
    create.add_argument("name")
    create.add_argument(
        "--scope",
        action="append",
        required=True,
        choices=[scope.value for scope in Scope],
        dest="scopes",
        help="may be repeated",
    )
    create.add_argument("--days", type=float, default=operations.LIFE_DAYS, help="how long it is in force")
    create.add_argument("--quiet", action="store_true", help="print the token alone")
    revoke = actions.add_parser("revoke", help="put a token out of force")
    revoke.add_argument("name")
    actions.add_parser("list", help="list tokens")


def _run(options: argparse.Namespace, console: Console) -> int:
    actions = {"create": _create, "revoke": _revoke, "list": _list}
    return actions[options.action](options, console)


def _create(options: argparse.Namespace, console: Console) -> int:
    now = timezone.now()
    token, plain = operations.create_token(
        name=options.name,
        scopes=options.scopes,
        expires_at=now + timedelta(days=options.days),
        actor=operator(),
        now=now,
    )
    console.print(plain, highlight=False, markup=False)
    if not options.quiet:
        console.print(
            f"{token.name}: {', '.join(token.scopes)}, until {token.expires_at:%Y-%m-%d %H:%M} UTC. "
            "It is not shown again.",
            highlight=False,
        )
    return 0


def _revoke(options: argparse.Namespace, console: Console) -> int:
    token = operations.revoke_token(name=options.name, actor=operator(), now=timezone.now())
    console.print(f"{token.name} revoked", highlight=False)
    return 0


def _list(_options: argparse.Namespace, console: Console) -> int:
    table = Table("name", "begins with", "scopes", "expires", "last used", "state")
    now = timezone.now()
    for token in queries.tokens():
        table.add_row(
            token.name,
            token.prefix,
            ", ".join(token.scopes),
            f"{token.expires_at:%Y-%m-%d}",
            "" if token.last_used_at is None else f"{token.last_used_at:%Y-%m-%d %H:%M}",
            token.state(now=now),
        )
    console.print(table)
    return 0


SUBCOMMANDS = (Subcommand(name="token", help="create, list and revoke API tokens", add_arguments=_add_token, run=_run),)
