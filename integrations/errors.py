"""What can be known about a call to the outside that did not succeed.

IntegrationError
├── UnknownAdapter          no adapter of that name
├── UnknownConnection       no connection of that name
├── AdapterNameTaken        two adapters claim one name
├── WrongConnection         a connection cannot be saved as described
├── WrongSecret             a secret cannot be stored as described
├── UnknownSecret           no stored secret of that name
├── SecretInUse             something refers to it
├── UnknownCall             the ledger has no call with that key
│   └── UnknownCallFile     the call has kept no such file
├── CallNotOpen             a call cannot be settled: its outcome is known, or it is under way
├── OutputUnusable          a call cannot be settled with such an output or reason
└── CallFailed
    ├── Refused             it did not happen and never will: do not repeat it
    │   └── Denied          the peer does not take our credentials
    ├── Unavailable         it did not happen; a later attempt may succeed
    ├── Throttled           it did not happen; the peer says when to come back
    └── Unknown             it may have happened: repeat with the same key, or look first
Postponed                   no failure: it was not tried, because it cannot be now
"""

from collections.abc import Mapping
from typing import ClassVar


class IntegrationError(Exception):
    """Anything this app raises on purpose."""


class UnknownAdapter(IntegrationError):
    """There is no adapter of that name."""


class UnknownConnection(IntegrationError):
    """There is no connection of that name."""


class AdapterNameTaken(IntegrationError):
    """Two adapters claim one name: it must be clear which one a definition means."""


class WrongConnection(IntegrationError):
    """A connection cannot be saved as described; `problems` maps each wrong field to what would be right."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in sorted(problems.items())))
        self.problems = problems


class WrongSecret(IntegrationError):
    """A secret cannot be stored as described; `problems` maps each wrong field to what would be right."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in sorted(problems.items())))
        self.problems = problems


class UnknownSecret(IntegrationError):
    """There is no stored secret of that name."""


class SecretInUse(IntegrationError):
    """Something refers to the secret."""


class UnknownCall(IntegrationError):
    """The ledger has no call with that key."""

    def __init__(self, key: object) -> None:
        super().__init__(f"there is no call with the key {key}")


class UnknownCallFile(UnknownCall):
    """The call has kept no such file."""

    def __init__(self, key: object, *, digest: str) -> None:
        super().__init__(key)
        self.args = (f"the call {key} has kept no file {digest}",)


class CallNotOpen(IntegrationError):
    """A call cannot be settled: its outcome is known, or an attempt may be under way."""


class OutputUnusable(IntegrationError):
    """A call cannot be settled with such an output or reason; the message says what would be right."""


class CallFailed(IntegrationError):
    """A call ended without success; the class says what that means for the next attempt.

    `retry_after_s` is the delay the failure itself asks for, in seconds; `evidence` is JSON that helps a
    person (status code, excerpt of the body), never a secret. `repeatable` False forbids another attempt:
    the peer cannot recognise it as the same.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        evidence: Mapping[str, object] | None = None,
        repeatable: bool = True,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.evidence: Mapping[str, object] = evidence or {}
        self.repeatable = repeatable


class Postponed(Exception):
    """A call was not tried: its connection has no room for it now. It costs no attempt.

    `reason` is `rate`, `breaker` or, while an earlier attempt may be under way, `settling`; `object_name` says what has
    no room, `delay_s` says when to ask again.
    """

    def __init__(self, *, reason: str, object_name: str, delay_s: float) -> None:
        super().__init__(f"{object_name}: {reason}, again in {delay_s:g} s")
        self.reason = reason
        self.object_name = object_name
        self.delay_s = delay_s


class Refused(CallFailed):
    """The same request will never succeed, so it is not repeated.

    As a rule it did not happen. Where it did (the answer was too large to keep, say), the evidence holds
    `"happened": true`.
    """

    kind = "refused"


class Denied(Refused):
    """The peer does not take our credentials, and did nothing.

    An adapter that can tell raises this: the secrets of the connection are read anew, and where they have changed
    meanwhile, the call is made once more with the new ones.
    """


class Unavailable(CallFailed):
    """It did not happen; a later attempt may succeed."""

    kind = "unavailable"


class Throttled(CallFailed):
    """It did not happen because we ask too often; `retry_after_s` says when to come back."""

    kind = "throttled"


class Unknown(CallFailed):
    """It may have happened: only the same idempotency key, or a look-up, may follow."""

    kind = "unknown"
