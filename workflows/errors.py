"""What the engine can refuse.

WorkflowError
├── UnknownWorkflow       no workflow of that name
├── WorkflowDisabled      new runs are refused while it is off
├── InputInvalid          the input does not match the workflow's schema
├── StartKeyReused        the same idempotency key came with another request
├── StartRateLimited      its key has had as many starts as its rate limit allows
├── ConcurrencyReached    all slots of its key are taken, and its rule refuses what comes then
├── UnknownRun            no run of that id
├── RunEnded              the run is over: there is nothing to cancel
├── UnknownDeadLetter     no dead letter of that id
└── DeadLetterResolved    it was requeued or discarded before
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


class StartKeyReused(WorkflowError):
    """The same idempotency key came before with another workflow or input."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"idempotency key {key!r} was used before for another request: send the same request again, or a new key"
        )
        self.key = key


class StartRateLimited(WorkflowError):
    """The key of a rate limit has had its starts; the next one may come in `again_in_s`."""

    def __init__(self, *, workflow: str, key: str, again_in_s: float) -> None:
        shown = f" for the key {key!r}" if key else ""
        super().__init__(f"workflow {workflow!r} takes no more starts{shown} now: come again in {again_in_s:.3f} s")
        self.workflow = workflow
        self.key = key
        self.again_in_s = again_in_s


class ConcurrencyReached(WorkflowError):
    """All slots of the key are taken; `holders` are the runs that have them, the oldest first."""

    def __init__(self, *, workflow: str, key: str, limit: int, holders: Sequence[object]) -> None:
        shown = f" for the key {key!r}" if key else ""
        named = ", ".join(str(holder) for holder in holders[:5]) + (", ..." if len(holders) > 5 else "")
        super().__init__(f"workflow {workflow!r} may have {limit} at a time{shown}, and there is run {named}")
        self.workflow = workflow
        self.key = key
        self.limit = limit
        self.holders = tuple(holders)


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
