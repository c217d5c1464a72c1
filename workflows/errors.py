"""What the engine can refuse.

WorkflowError
├── UnknownWorkflow       no workflow of that name
├── WorkflowDisabled      new runs are refused while it is off
├── InputInvalid          the input does not match the workflow's schema
├── LaneFull              too much waits in the lane already: come again later
├── StartKeyReused        the same idempotency key came with another request
├── UnknownRun            no run of that id
├── RunEnded              the run is over: there is nothing to cancel
├── UnknownDeadLetter     no dead letter of that id
├── DeadLetterResolved    it was requeued or discarded before
├── NotRequeueable        trying it again would give the same again
├── UnknownIncident       no incident of that fingerprint
├── UnknownMessage        no poison message of that number
└── MessageResolved       it was recovered or discarded before
"""

from collections.abc import Sequence

from workflows.core.problems import Problem


class WorkflowError(Exception):
    """Anything the engine refuses on purpose."""


class UnknownWorkflow(WorkflowError):
    """There is no workflow of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no workflow named {name!r}: publish one, or correct the name")
        self.name = name


class WorkflowDisabled(WorkflowError):
    """New runs of the workflow are refused."""

    def __init__(self, name: str) -> None:
        super().__init__(f"workflow {name!r} is disabled: enable it before starting runs")
        self.name = name


class InputInvalid(WorkflowError):
    """The input does not match the workflow's schema; `problems` say where and what would be right."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.path}: {problem.message}" for problem in problems))
        self.problems = tuple(problems)


class LaneFull(WorkflowError):
    """So much waits in a lane that no more is taken in; it may be tried again in a few seconds."""

    def __init__(self, *, lane: str, limit: int) -> None:
        super().__init__(f"the lane {lane!r} is full: {limit} segments or more wait in it; try again later")
        self.lane = lane
        self.limit = limit


class StartKeyReused(WorkflowError):
    """The same idempotency key came before with another workflow or input."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used before for another request: send the same request again, or a new key"
        )
        self.key = key


class UnknownRun(WorkflowError):
    """There is no run of that id."""

    def __init__(self, run_id: object) -> None:
        super().__init__(f"there is no run {run_id}")
        self.run_id = run_id


class RunEnded(WorkflowError):
    """The run is over."""

    def __init__(self, *, run_id: object, state: str) -> None:
        super().__init__(f"run {run_id} has {state} already: only a running run can be cancelled")
        self.run_id = run_id
        self.state = state


class UnknownDeadLetter(WorkflowError):
    """There is no dead letter of that id."""

    def __init__(self, dead_letter_id: object) -> None:
        super().__init__(f"there is no dead letter {dead_letter_id}")
        self.dead_letter_id = dead_letter_id


class DeadLetterResolved(WorkflowError):
    """The dead letter is not open any more."""

    def __init__(self, *, dead_letter_id: object, state: str) -> None:
        super().__init__(f"dead letter {dead_letter_id} is {state} already: only an open one can be resolved")
        self.dead_letter_id = dead_letter_id
        self.state = state


class NotRequeueable(WorkflowError):
    """What failed has no attempt that could end in another way."""

    def __init__(self, dead_letter_id: object) -> None:
        super().__init__(
            f"dead letter {dead_letter_id} is of a run whose output cannot be computed from its results, "
            "which would be the same again: mend the workflow, start a new run, and discard this one"
        )
        self.dead_letter_id = dead_letter_id


class UnknownIncident(WorkflowError):
    """There is no incident of that fingerprint."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(f"there is no incident {fingerprint}")
        self.fingerprint = fingerprint


class UnknownMessage(WorkflowError):
    """There is no poison message of that number."""

    def __init__(self, message_id: object) -> None:
        super().__init__(f"there is no poison message {message_id}")
        self.message_id = message_id


class MessageResolved(WorkflowError):
    """The poison message is not open any more."""

    def __init__(self, *, message_id: object, state: str) -> None:
        super().__init__(f"poison message {message_id} is {state} already: only an open one can be discarded")
        self.message_id = message_id
        self.state = state
