"""What commands share that act on many: reading `--filter`, and telling what became of those that matched."""

import argparse
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console

from automation.management.subcommand import bad_input
from workflows import operations
from workflows.operations.bulk_repairs import AT_ONCE, MOST_AT_ONCE


def add_filter(parser: argparse.ArgumentParser, *, instead_of: str, all_of: str, names: Iterable[str]) -> None:
    """This will add `--filter` and `--limit`: many at once instead of those that are named."""
    parser.add_argument(
        "--filter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"instead of {instead_of}, all {all_of} ones of which all given holds; NAME is one of {', '.join(names)}",
    )
    parser.add_argument("--limit", type=int, default=AT_ONCE, help="with --filter: how many at most, oldest first")


def pairs_of(filters: Sequence[str]) -> Mapping[str, str]:
    """This will read NAME=VALUE texts. Raises CommandError."""
    pairs = [text.partition("=") for text in filters]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        raise bad_input(f"--filter {wrong[0]} has no value: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def check_limit(limit: int) -> None:
    """This will refuse a limit that no call takes. Raises CommandError."""
    if not 1 <= limit <= MOST_AT_ONCE:
        raise bad_input(f"--limit must be from 1 to {MOST_AT_ONCE}")


def tell(outcome: operations.Outcome, *, console: Console, done: str) -> int:
    """This will say what became of those that matched, in one line; gives the exit code."""
    skipped = "".join(f", {number} {reason.replace('_', ' ')}" for reason, number in outcome.skipped.items())
    more = "; there are more: repeat the command for the next ones" if outcome.has_more else ""
    console.print(f"{outcome.matched} matched: {outcome.done} {done}{skipped}{more}", highlight=False)
    return 0
