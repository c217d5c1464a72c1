"""What a caller of the API may be allowed to do, and what the API must know of whoever calls; pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Protocol, runtime_checkable

from audit.events import Actor
from workflows.core.pausing import PauseScope


class Scope(StrEnum):
    """What a token may be allowed; `ADMIN` includes all others."""

    RUNS_READ = "runs:read"
    RUNS_WRITE = "runs:write"
    DEFINITIONS_WRITE = "definitions:write"
    RESULTS_WRITE = "results:write"
    DEAD_LETTERS_WRITE = "dead_letters:write"
    EVENTS_WRITE = "events:write"
    ANSWERS_WRITE = "answers:write"
    ADMIN = "admin"


PAUSING: Mapping[PauseScope, Scope] = {
    PauseScope.RUN: Scope.RUNS_WRITE,
    PauseScope.WORKFLOW: Scope.DEFINITIONS_WRITE,
    PauseScope.CONNECTION: Scope.DEFINITIONS_WRITE,
    PauseScope.LANE: Scope.ADMIN,
    PauseScope.PLATFORM: Scope.ADMIN,
}
"""What it takes to pause and resume."""


@runtime_checkable
class Credential(Protocol):
    """What an authentication class puts into `request.auth`: who calls, and what for."""

    @property
    def actor(self) -> Actor:
        """This will give who is written into the audit trail."""

    @property
    def granted(self) -> Collection[str]:
        """This will give the scopes."""


def is_granted(scope: Scope, *, granted: Collection[str]) -> bool:
    """This will tell whether the scopes somebody has cover the one that is needed.

    >>> is_granted(Scope.RUNS_READ, granted=["admin"]), is_granted(Scope.RUNS_READ, granted=["runs:write"])
    (True, False)
    """
    return scope in granted or Scope.ADMIN in granted
