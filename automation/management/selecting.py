"""What commands share that act on many: reading `--filter`, and telling what became of those that matched."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from automation.management.subcommand import bad_input
from workflows import operations
from workflows.operations.bulk_repairs import MOST_AT_ONCE


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
