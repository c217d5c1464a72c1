"""The hot statements of incidents as typed functions; it moves rows and decides nothing."""

from collections.abc import Sequence
from typing import TypedDict

from audit.events import EncodedEvent
from workflows import statements
from workflows.store import dump


class FailureRow(TypedDict):
    """A failure by its fingerprint, with the event of each change it may bring its incident; `at` is ISO 8601."""

    fingerprint: str
    workflow_name: str
    step: str
    kind: str
    title: str
    example: str
    at: str
    opened: EncodedEvent
    failed_again: EncodedEvent
    reopened: EncodedEvent


def raise_incidents(*, failures: Sequence[FailureRow]) -> int:
    """This will open the incidents of failures, each fingerprint once; gives how many were opened, or opened again."""
    params = {"failures": dump(failures), "fingerprints": [failure["fingerprint"] for failure in failures]}
    return int(statements.run("raise_incidents", params)[0][0])


def count_failures(*, limit: int) -> Sequence[str]:
    """This will add up to `limit` failures to the counts of their incidents; gives the incidents, by fingerprint."""
    return [row[0] for row in statements.run("count_failures", {"limit": limit})]
